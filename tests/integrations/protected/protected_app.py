"""A protected app in a process of its own, the issuers that it trusts, and callers of every kind."""

import http.client
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.child_process import ChildProcess

from roomkey.testing import Issuer
from roomkey.testing.issuer_keys import IssuerKeys

APPS = Path(__file__).parent / "apps"
PROGRAMS = {
    "asgi": "bare_asgi",
    "fastapi": "fastapi_app",
    "flask": "flask_app",
    "django": "django_app",
    "django-asgi": "django_app",
    "rest_framework": "rest_framework_app",
}


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def challenge(self) -> str | None:
        return self.headers.get("www-authenticate")

    @property
    def error(self) -> str:
        """The error code of the body; FastAPI has its own place for it."""
        members = self.json
        return members.get("detail", members)["error"] if "error" not in members else members["error"]


class ProtectedApp:
    """One of the apps, with a real server before it."""

    def __init__(self, name: str, issuer: Issuer, *others: str) -> None:
        self.name = name
        self.issuer = issuer
        self._child = ChildProcess([sys.executable, str(APPS / f"{PROGRAMS[name]}.py"), issuer.url, *others])
        self.url: str = self._child.started["url"]

    def stop(self) -> int:
        return self._child.stop()

    def get(
        self,
        path: str,
        *authorization: str,
        method: str = "GET",
        body: str | None = None,
        kind: str = "text/plain",
        more: dict[str, str] | None = None,
        dpop: Sequence[str] = (),
        certificates: Sequence[str] = (),
        peer: str = "127.0.0.1",
    ) -> Answered:
        """One request from ``peer`` with these headers, each on a line of its own, and ``more`` others."""
        server = self.url.removeprefix("http://")
        connection = http.client.HTTPConnection(server, timeout=20, source_address=(peer, 0))
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for value in authorization:
                connection.putheader("Authorization", value.encode("latin-1"))
            for value in dpop:
                connection.putheader("DPoP", value.encode("latin-1"))
            for value in certificates:
                connection.putheader("Client-Cert", value)
            for name, value in (more or {}).items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Type", kind)
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body.encode() if body is not None else None)
            answer = connection.getresponse()
            headers = [(name.lower(), value) for name, value in answer.getheaders()]
            assert len(headers) == len(dict(headers)), f"a header came twice: {headers}"
            return Answered(answer.status, dict(headers), answer.read())
        finally:
            connection.close()

    def token(self, *, issuer: str | None = None, lifetime: float = 60.0, **claims: Any) -> str:
        """A token for this app; a claim that is None is left out."""
        now = time.time()
        members = {
            "iss": issuer or self.issuer.url,
            "sub": "alice",
            "aud": "orders-api",
            "client_id": "reports",
            "scope": "orders:read",
            "jti": "1",
            "iat": int(now),
            "exp": int(now + lifetime),
        } | claims
        return IssuerKeys().sign({name: value for name, value in members.items() if value is not None})

    def bearer(self, **claims: Any) -> str:
        return f"Bearer {self.token(**claims)}"
