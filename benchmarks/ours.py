"""roomkey, set up for the same server and with the same client as the peers."""

from __future__ import annotations

import roomkey

CLIENT_ID = "reports"
CLIENT_SECRET = "a-secret-of-the-benchmark"


def source(token_endpoint: str) -> roomkey.ClientCredentials:
    """The app identity that every figure asks tokens for."""
    return roomkey.ClientCredentials(
        token_endpoint=token_endpoint, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, scope="orders"
    )


def warmed_up(manager: roomkey.TokenManager, token_endpoint: str, context: str = "orders") -> roomkey.Credential:
    """A credential without a token, in a process that has fetched another one before, as a running app has."""
    with roomkey.TokenManager(roomkey.MemoryStore()) as other:
        other.credential(source(token_endpoint)).header()  # this process has used HTTP …
    manager.credential(source(token_endpoint), context="somebody else").header()  # … and its store
    return manager.credential(source(token_endpoint), context=context)
