"""An orders API (FastAPI) that validates access tokens by a static JWK, by the published JWKS, or by introspection.

Run it, then call it with another example.
"""

import os
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Security

import roomkey
from roomkey.integrations.fastapi import BearerToken


def validator(method: str) -> roomkey.TokenValidator:
    """Validate by ``jwk``, ``jwks`` or ``introspection``."""
    issuer, audience = os.environ["AUTH_ISSUER"], "orders-api"
    if method == "jwks":
        return roomkey.TokenValidator(issuer=issuer, audience=audience)
    if method == "jwk":
        keys = roomkey.KeySet.static(Path(os.environ["AUTH_JWK_FILE"]).read_text())
        return roomkey.TokenValidator(issuer=issuer, audience=audience, keys=keys)
    if method == "introspection":
        secret = roomkey.Secret.from_env("ORDERS_API_SECRET")
        introspection = roomkey.Introspection(client_id="orders-api", client_secret=secret)
        return roomkey.TokenValidator(issuer=issuer, audience=audience, introspection=introspection)
    raise SystemExit("ORDERS_VALIDATED_BY must be one of jwk, jwks, introspection")


auth = BearerToken(validator(os.environ.get("ORDERS_VALIDATED_BY", "jwks")))
app = FastAPI()


@app.get("/orders")
def orders(caller: Annotated[roomkey.Claims, Security(auth, scopes=["orders:read"])]) -> dict[str, object]:
    """List the orders."""
    return {"orders": [{"id": 1, "item": "a room"}], "for": caller.client_id}


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
