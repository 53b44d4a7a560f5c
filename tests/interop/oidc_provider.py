"""The certified OpenID server in a process of its own, and a handle on it: see provider.mjs beside this file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests.support.child_process import ChildProcess

PROGRAM = Path(__file__).with_name("provider.mjs")

ORDERS = "https://orders.example"
"""An API that takes JWTs which live for 300 seconds."""
BRIEF_ORDERS = "https://orders.example/brief"
"""The same with JWTs that live for 5 seconds."""
OPAQUE_ORDERS = "https://orders.example/opaque"
"""The same with opaque tokens: the server revokes and introspects no others."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One token request as the server saw it; ``error`` is the OAuth code that it answered, or ""."""

    client_id: str
    grant_type: str
    authentication: str
    error: str


@dataclass(frozen=True, slots=True)
class Client:
    client_id: str
    client_secret: str


class OIDCProvider:
    """Starts at once and raises RuntimeError where it cannot; ``close()`` ends it and expects that it did not fail."""

    def __init__(self) -> None:
        self._child = ChildProcess(["node", str(PROGRAM)])
        self.issuer = str(self._child.started["issuer"])
        self._http = httpx2.Client(base_url=self.issuer, timeout=10.0)
        self._metadata: dict[str, str] = self._http.get("/.well-known/openid-configuration").json()

    def close(self) -> None:
        self._http.close()
        assert self._child.stop() == 0, "the OpenID server itself failed; its stderr says why"

    def register(self, *grant_types: str, **settings: Any) -> Client:
        """A new client with a new secret (RFC 7591), which may use ``grant_types``; ``settings`` are more metadata."""
        wanted = {"grant_types": grant_types, "redirect_uris": [], "response_types": []}
        made = self._http.post(self._metadata["registration_endpoint"], json=wanted | settings)
        assert made.status_code == 201, made.text
        return Client(made.json()["client_id"], made.json().get("client_secret", ""))

    def add_user(self, name: str, password: str) -> None:
        self._http.put(f"/users/{name}", content=password.encode()).raise_for_status()

    def remove_user(self, name: str) -> None:
        self._http.delete(f"/users/{name}").raise_for_status()

    def token_requests(self, client: Client) -> list[TokenRequest]:
        """What ``client`` asked for so far, in order."""
        seen = (TokenRequest(**one) for one in self._http.get("/token-requests").json())
        return [request for request in seen if request.client_id == client.client_id]

    def grants(self, client: Client) -> list[str]:
        """The grant types of its token requests, each with the error that it met."""
        return [f"{one.grant_type} {one.error}".strip() for one in self.token_requests(client)]

    def revoke(self, client: Client, token: str) -> None:
        """Revoke a token of ``client`` (RFC 7009)."""
        self._http.post(self._metadata["revocation_endpoint"], data=_form(client, token)).raise_for_status()

    def introspect(self, client: Client, token: str) -> dict[str, Any]:
        """What the server says of ``token`` to ``client`` (RFC 7662)."""
        answer = self._http.post(self._metadata["introspection_endpoint"], data=_form(client, token))
        members: dict[str, Any] = answer.raise_for_status().json()
        return members

    def pause(self, seconds: float) -> None:
        """Let the server stand still from now on: meanwhile it takes connections, and answers none of them."""
        self._http.post("/pause", content=str(round(1000 * seconds))).raise_for_status()


def _form(client: Client, token: str) -> dict[str, str]:
    return {"client_id": client.client_id, "client_secret": client.client_secret, "token": token}
