"""A login that is not OAuth: its request and the places in its answer are declared."""

import os

import httpx2

import roomkey
from roomkey.integrations.httpx2 import BearerAuth
from roomkey.oauth.answer_paths import AnswerPaths

with roomkey.TokenManager(store=roomkey.SQLiteStore.default()) as manager:
    orders = manager.credential(
        roomkey.CustomLogin(
            url=os.environ["LOGIN_URL"],
            fields={"username": os.environ["ORDERS_USER"], "password": roomkey.Secret.from_env("ORDERS_PASSWORD")},
            answer=AnswerPaths(access_token="data.auth.token", expires_in="data.auth.expiresIn"),
        )
    )

    with httpx2.Client(base_url=os.environ["ORDERS_URL"], auth=BearerAuth(orders)) as api:
        print(api.get("/orders").raise_for_status().json())
