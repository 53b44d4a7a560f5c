"""The app calls the API in its own name (OAuth 2.0 client credentials)."""

import os

import httpx2

import roomkey
from roomkey.integrations.httpx2 import BearerAuth

with roomkey.TokenManager(store=roomkey.SQLiteStore.default()) as manager:
    orders = manager.credential(
        roomkey.ClientCredentials(
            issuer=os.environ["AUTH_ISSUER"],
            client_id="reports",
            client_secret=roomkey.Secret.from_env("ORDERS_SECRET"),
            scope="orders:read",
        )
    )

    with httpx2.Client(base_url=os.environ["ORDERS_URL"], auth=BearerAuth(orders)) as api:
        print(api.get("/orders").raise_for_status().json())
