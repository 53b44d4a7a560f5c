"""An orders API that takes the access tokens of one issuer (FastAPI): run it, then call it with another example."""

import os
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Security

import roomkey
from roomkey.integrations.fastapi import BearerToken

auth = BearerToken(roomkey.TokenValidator(issuer=os.environ["AUTH_ISSUER"], audience="orders-api"))
app = FastAPI()


@app.get("/orders")
def orders(caller: Annotated[roomkey.Claims, Security(auth, scopes=["orders:read"])]) -> dict[str, object]:
    """What the caller may see."""
    return {"orders": [{"id": 1, "item": "a room"}], "for": caller.client_id}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
