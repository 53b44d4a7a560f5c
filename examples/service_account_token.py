"""The app calls the API with an app token that was made in a backoffice; the file may be rotated."""

import os

import httpx2

import roomkey
from roomkey.integrations.httpx2 import BearerAuth

with roomkey.TokenManager(store=roomkey.SQLiteStore.default()) as manager:
    orders = manager.credential(roomkey.ServiceAccountToken.from_file(os.environ["ORDERS_TOKEN_FILE"]))

    with httpx2.Client(base_url=os.environ["ORDERS_URL"], auth=BearerAuth(orders)) as api:
        print(api.get("/orders").raise_for_status().json())
