"""Sources that fit the test issuer, and a way to wait for the background."""

import time
from collections.abc import Callable

import roomkey
from roomkey.testing import Issuer


def client_credentials(server: Issuer, **changes: object) -> roomkey.ClientCredentials:
    settings = {
        "token_endpoint": server.token_endpoint,
        "client_id": server.client.client_id,
        "client_secret": server.client.client_secret,
        "scope": "orders:read",
    }
    return roomkey.ClientCredentials(**settings | changes)  # type: ignore[arg-type]


def password(issuer: Issuer, **changes: object) -> roomkey.Password:
    settings = {
        "token_endpoint": issuer.token_endpoint,
        "client_id": issuer.client.client_id,
        "client_secret": issuer.client.client_secret,
        "username": issuer.user.username,
        "password": issuer.user.password,
    }
    return roomkey.Password(**settings | changes)  # type: ignore[arg-type]


def settle(credential: roomkey.Credential, wanted: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until the background has done ``wanted``."""
    end = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < end, credential.status()
        time.sleep(0.002)
