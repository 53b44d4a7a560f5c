"""An orders API (FastAPI) that judges access tokens by a JWK handed over, by the published JWKS, or by introspection.

Run it, then call it with another example.
"""

import os
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Security

import roomkey
from roomkey.integrations.fastapi import BearerToken


def validator(judged_by: str) -> roomkey.TokenValidator:
    """Who judges the tokens; the setting ``ORDERS_JUDGED_BY`` chooses."""
    issuer, audience = os.environ["AUTH_ISSUER"], "orders-api"
    if judged_by == "jwks":
        return roomkey.TokenValidator(issuer=issuer, audience=audience)
    if judged_by == "jwk":
        keys = roomkey.KeySet.static(Path(os.environ["AUTH_JWK_FILE"]).read_text())
        return roomkey.TokenValidator(issuer=issuer, audience=audience, keys=keys)
    if judged_by == "introspection":
        secret = roomkey.Secret.from_env("ORDERS_API_SECRET")
        asked = roomkey.Introspection(client_id="orders-api", client_secret=secret)
        return roomkey.TokenValidator(issuer=issuer, audience=audience, introspection=asked)
    raise SystemExit("ORDERS_JUDGED_BY is one of jwk, jwks, introspection")


auth = BearerToken(validator(os.environ.get("ORDERS_JUDGED_BY", "jwks")))
app = FastAPI()


@app.get("/orders")
def orders(caller: Annotated[roomkey.Claims, Security(auth, scopes=["orders:read"])]) -> dict[str, object]:
    """What the caller may see."""
    return {"orders": [{"id": 1, "item": "a room"}], "for": caller.client_id}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
