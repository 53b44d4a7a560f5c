"""Sources that fit a client of the certified OpenID server."""

from typing import Any

from tests.interop.oidc_provider import ORDERS, Client, OIDCProvider

import roomkey

PASSWORD = "pä ss:%+&=€"


class Sources:
    """The client's own identity, and a user's by way of the client; ``settings`` are what both have in common."""

    def __init__(self, provider: OIDCProvider, client: Client) -> None:
        self._provider = provider
        self.settings: dict[str, Any] = {
            "issuer": provider.issuer,
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "scope": "orders:read",
            "resource": ORDERS,
        }

    def app(self, **changes: Any) -> roomkey.ClientCredentials:
        return roomkey.ClientCredentials(**self.settings | changes)

    def user(self, **changes: Any) -> roomkey.Password:
        """The user alice, who has her password from now on."""
        self._provider.add_user("alice", PASSWORD)
        return roomkey.Password(**self.settings | changes, username="alice", password=PASSWORD)
