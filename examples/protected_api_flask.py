"""The same API with Flask."""

import os

from flask import Flask, g

import roomkey
from roomkey.integrations.flask import BearerToken

auth = BearerToken(roomkey.TokenValidator(issuer=os.environ["AUTH_ISSUER"], audience="orders-api"))
app = Flask(__name__)


@app.get("/orders")
@auth.require(scopes=["orders:read"])
def orders() -> dict[str, object]:
    """What the caller may see."""
    return {"orders": [{"id": 1, "item": "a room"}], "for": g.claims.client_id}


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8000")))
