"""A user calls the API with nothing but name and password: the app has no secret, and the claims vouch for the user."""

import os

import httpx2

import roomkey
from roomkey.integrations.httpx2 import BearerAuth

with roomkey.TokenManager(store=roomkey.SQLiteStore.default()) as manager:
    orders = manager.credential(
        roomkey.Password(
            issuer=os.environ["AUTH_ISSUER"],
            client_id="kiosk",
            scope="orders:read",
            username=os.environ["ORDERS_USER"],
            password=roomkey.Secret.from_env("ORDERS_PASSWORD"),
        )
    )

    with httpx2.Client(base_url=os.environ["ORDERS_URL"], auth=BearerAuth(orders)) as api:
        print(api.get("/orders").raise_for_status().json())
