"""A login call that carries the app's own managed token, and gives a token for the user."""

import os

import httpx2

import roomkey
from roomkey.integrations.httpx2 import BearerAuth
from roomkey.oauth.answer_paths import AnswerPaths

with roomkey.TokenManager(store=roomkey.SQLiteStore.default()) as manager:
    app = manager.credential(
        roomkey.ClientCredentials(
            issuer=os.environ["AUTH_ISSUER"],
            client_id="reports",
            client_secret=roomkey.Secret.from_env("ORDERS_SECRET"),
        )
    )
    orders = manager.credential(
        roomkey.CustomLogin(
            url=os.environ["SERVICE_LOGIN_URL"],
            fields={"username": os.environ["ORDERS_USER"], "password": roomkey.Secret.from_env("ORDERS_PASSWORD")},
            answer=AnswerPaths(access_token="userToken", expires_in="expiresInSeconds"),
            authenticated_by=app,
        )
    )

    with httpx2.Client(base_url=os.environ["ORDERS_URL"], auth=BearerAuth(orders)) as api:
        print(api.get("/orders").raise_for_status().json())
