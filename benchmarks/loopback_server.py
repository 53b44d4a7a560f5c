"""The authorization server and the API that every figure is measured against: a process of its own, on loopback.

Run by `server.py`. It says its ports in one JSON line, then serves until its standard input is closed.
It is small on purpose: what is measured is the client. Keep-alive, no Nagle (asyncio's own default), one event loop.

    POST …/token        after `delay` seconds a token that is good for `lifetime` seconds; 503 while in outage
    GET  /api           200 for a token that was issued here and has not expired, else 401
    GET  …/.well-known/openid-configuration
    POST /control       sets the fields of `Settings` and clears the counters;  GET /control  the counters
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets
import ssl
import sys
import time

REASONS = {200: "OK", 401: "Unauthorized", 404: "Not Found", 503: "Service Unavailable"}
LONGEST_MESSAGE = 1 << 20


@dataclasses.dataclass(slots=True)
class Settings:
    """How the token endpoint behaves; times in seconds."""

    delay: float = 0.0
    lifetime: float = 3600.0
    outage: bool = False
    outage_after_issue: float | None = None  # an outage begins once, this long after the next token is issued …
    outage_seconds: float = 0.0  # … and lasts this long


@dataclasses.dataclass(slots=True)
class Counters:
    """What came in since the last POST /control."""

    token_requests: int = 0
    tokens_issued: int = 0
    api_requests: int = 0
    api_refused: int = 0
    outages: int = 0


class Endpoints:
    """What the two servers (plain and TLS) share: settings, counters and the tokens that were issued."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.counters = Counters()
        self.expiries: dict[str, float] = {}

    def issue(self) -> bytes:
        """Answer a token request with a new token of the size of a usual JWT."""
        settings, now = self.settings, time.monotonic()
        token = secrets.token_urlsafe(450)
        self.expiries[token] = now + settings.lifetime
        self.counters.tokens_issued += 1
        if settings.outage_after_issue is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(settings.outage_after_issue, self.begin_outage, settings)
            settings.outage_after_issue = None
        return answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": int(settings.lifetime)})

    def begin_outage(self, settings: Settings) -> None:
        self.counters.outages += 1
        settings.outage = True
        asyncio.get_running_loop().call_later(settings.outage_seconds, setattr, settings, "outage", False)

    def api(self, authorization: str) -> bytes:
        self.counters.api_requests += 1
        expiry = self.expiries.get(authorization.removeprefix("Bearer "), 0.0)
        if time.monotonic() < expiry:
            return answer(200, {"orders": []})
        self.counters.api_refused += 1
        return answer(401, {"error": "invalid_token"}, 'WWW-Authenticate: Bearer error="invalid_token"\r\n')

    def metadata(self, path: str, origin: str) -> bytes:
        issuer = origin + path.removesuffix("/.well-known/openid-configuration")
        endpoints = {"authorization_endpoint": f"{issuer}/authorize", "token_endpoint": f"{issuer}/token"}
        return answer(200, {"issuer": issuer, "jwks_uri": f"{issuer}/jwks", **endpoints})

    def control(self, method: str, body: bytes) -> bytes:
        if method == "POST":
            self.settings = Settings(**json.loads(body))
            self.counters = Counters()
        return answer(200, dataclasses.asdict(self.counters))


def answer(status: int, content: dict[str, object], headers: str = "") -> bytes:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: requests with a Content-Length or no body, answered one at a time."""

    def __init__(self, endpoints: Endpoints, origin: str) -> None:
        self.endpoints = endpoints
        self.origin = origin
        self.received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        if len(self.received) > LONGEST_MESSAGE:
            self.transport.close()
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            request_line, *lines = self.received[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            whole = end + 4 + int(headers.get("content-length", "0"))
            if len(self.received) < whole:
                return
            body = bytes(self.received[end + 4 : whole])
            del self.received[:whole]
            method, target, _ = request_line.split(" ")
            self.serve(method, target.partition("?")[0], headers, body)

    def serve(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        endpoints = self.endpoints
        if path == "/api":
            self.transport.write(endpoints.api(headers.get("authorization", "")))
        elif path.endswith("/token"):
            endpoints.counters.token_requests += 1
            asyncio.get_running_loop().call_later(endpoints.settings.delay, self.answer_token_request)
        elif path.endswith("/.well-known/openid-configuration"):
            self.transport.write(endpoints.metadata(path, self.origin))
        elif path == "/control":
            self.transport.write(endpoints.control(method, body))
        else:
            self.transport.write(answer(404, {"error": "not_found"}))

    def answer_token_request(self) -> None:
        down = self.endpoints.settings.outage
        self.transport.write(answer(503, {"error": "unavailable"}) if down else self.endpoints.issue())


async def serve(certificate: str) -> None:
    loop = asyncio.get_running_loop()
    endpoints = Endpoints()
    identity = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    identity.load_cert_chain(certificate)
    plain_origin, secure_origin = "http://127.0.0.1", "https://localhost"

    def connect(scheme: str) -> Connection:
        return Connection(endpoints, plain_origin if scheme == "http" else secure_origin)

    plain = await loop.create_server(lambda: connect("http"), "127.0.0.1", 0, backlog=1024)
    secure = await loop.create_server(lambda: connect("https"), "127.0.0.1", 0, backlog=1024, ssl=identity)
    plain_origin += f":{plain.sockets[0].getsockname()[1]}"
    secure_origin += f":{secure.sockets[0].getsockname()[1]}"
    print(json.dumps([plain_origin, secure_origin]), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
