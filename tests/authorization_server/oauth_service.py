"""A service with an API and its clients, asked as HTTP clients ask it: over ASGI, on one node or on several."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote_plus, urlencode

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import event, select

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import CreateApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.service_accounts.commands import CreateServiceAccount
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.app import create_app
from roomkey.authorization_server.identity.commands import CreateUser
from roomkey.authorization_server.identity.passwords import Cost, PasswordHashing
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.service import Service
from roomkey.jose.compact import read_unverified
from roomkey.jose.signing_key import SigningKey

CONSOLE: Final = Actor.console()
PASSWORD: Final = "seven green lanterns hum"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Login:
    """A client and its secret."""

    client_id: str
    secret: str = ""

    @property
    def basic(self) -> dict[str, str]:
        """The header by which it proves itself (RFC 6749 section 2.3.1)."""
        return basic(quote_plus(self.client_id), quote_plus(self.secret))


def basic(client_id: str, secret: str) -> dict[str, str]:
    """The header with just these words in it."""
    words = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {"authorization": f"Basic {words}"}


class Node:
    """One process of the service, as far as its callers can tell."""

    def __init__(self, service: Service, address: str = "192.0.2.1") -> None:
        self.service = service
        self._runner = asyncio.Runner()
        self._hashing = PasswordHashing(Cost(memory=8, passes=1))
        self.app = create_app(service, hashing=self._hashing)
        transport = httpx2.ASGITransport(app=self.app, client=(address, 40_000))
        self.http = httpx2.AsyncClient(transport=transport, base_url=service.settings.issuer)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """What ``coroutine`` returns, in the node's own event loop."""
        return self._runner.run(coroutine)

    def ask(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        """One request."""
        answer: httpx2.Response = self.run(self.http.request(method, path, **arguments))
        return answer

    def post(
        self, path: str, fields: Mapping[str, str] | bytes, login: Login | None = None, **headers: str
    ) -> httpx2.Response:
        """A form, with Basic credentials where there is a ``login``."""
        return self.ask("POST", path, **_request(fields, login, headers))

    def token(self, login: Login, grant: str = "client_credentials", **fields: str) -> httpx2.Response:
        """Ask for a token."""
        return self.post("/oauth2/token", {"grant_type": grant} | fields, login)

    def refresh(self, login: Login, token: str, **fields: str) -> httpx2.Response:
        """Ask for the successor of a refresh token."""
        return self.token(login, "refresh_token", refresh_token=token, **fields)

    def introspect(self, login: Login, token: str, **headers: str) -> httpx2.Response:
        """Ask what a token is."""
        return self.post("/oauth2/introspect", {"token": token}, login, **headers)

    def active(self, login: Login, token: str) -> bool:
        """Whether introspection says that a token lives."""
        answer = self.introspect(login, token)
        assert answer.status_code == 200, answer.text
        found: bool = answer.json()["active"]
        return found

    def revoke(self, login: Login, token: str, **fields: str) -> httpx2.Response:
        """End a token."""
        return self.post("/oauth2/revoke", {"token": token} | fields, login)

    def together(self, count: int, login: Login | None, **fields: str) -> list[httpx2.Response]:
        """The same request to the token endpoint, ``count`` times at once."""
        return self.run(self.all_of(count, login, **fields))  # type: ignore[no-any-return]

    async def all_of(self, count: int, login: Login | None, **fields: str) -> list[httpx2.Response]:
        """As ``together``, in a loop that runs."""
        request = _request(fields, login, {})
        return list(await asyncio.gather(*(self.http.post("/oauth2/token", **request) for _ in range(count))))

    def close(self) -> None:
        """End the node, not its service."""
        self.run(self.http.aclose())
        self._runner.close()
        self._hashing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _request(fields: Mapping[str, str] | bytes, login: Login | None, headers: Mapping[str, str]) -> dict[str, Any]:
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return {"content": body, "headers": FORM | (login.basic if login else {}) | dict(headers)}


class OAuthService(Node):
    """A node, and the acts by which its service gets accounts and people."""

    api: Login

    def act(self, act: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """One act at the console, in a transaction of its own."""
        with self.service.unit_of_work(CONSOLE) as uow:
            return act(*arguments, **named)(uow) if isinstance(act, type) else act(uow, *arguments, **named)

    def add_api(self, audience: str = "orders-api", *scopes: str, **named: Any) -> Login:
        """An API; the login of its own account."""
        chosen = [Scope(scope) for scope in scopes or ("orders:read", "orders:write")]
        made = self.act(CreateApi, audience=audience, scopes=chosen, **named)
        return Login(made.api.client_id, made.client_secret.value)

    def add_account(self, client_id: str = "reports", *scopes: str, **named: Any) -> Login:
        """A service account."""
        chosen = scopes or ("orders:read", "orders:write")
        named.setdefault("apis", [Access("orders-api", chosen, chosen[:1])])
        made = self.act(CreateServiceAccount, client_id=client_id, **named)
        return Login(client_id, "" if made.client_secret is None else made.client_secret.value)

    def add_app(self, client_id: str = "app", *scopes: str, **named: Any) -> Login:
        """A service account whose people give it their passwords."""
        return self.add_account(client_id, *scopes, grants=("password", "refresh_token", "client_credentials"), **named)

    def add_user(self, name: str = "alice", **named: Any) -> User:
        """A user with ``PASSWORD``."""
        hashed = self._hashing.hash_new(PASSWORD, username=name)
        user: User = self.act(CreateUser(username=name, roles=named.pop("roles", ()), password=hashed, **named))
        return user

    def sign_in(self, login: Login, name: str = "alice", password: str = PASSWORD, **fields: str) -> httpx2.Response:
        """The password grant."""
        return self.token(login, "password", username=name, password=password, **fields)

    def tokens(self, login: Login, **fields: str) -> dict[str, Any]:
        """What alice's sign-in gave."""
        answer = self.sign_in(login, **fields)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def actions(self) -> list[str]:
        """The audit log's actions, in order."""
        with self.service.look(CONSOLE) as uow:
            return list(uow.connection.scalars(select(audit_events.c.action).order_by(audit_events.c.number)))

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """Every statement that goes to SQLite meanwhile, past SQLAlchemy or not."""
        seen: list[str] = []

        def trace(raw: Any, *_: object) -> None:
            raw.set_trace_callback(seen.append)

        engines = (self.service.database.engines.reader, self.service.database.engines.writer)
        for engine in engines:
            event.listen(engine, "connect", trace)
            engine.dispose()
        self.service.database._inline = threading.local()  # so that a read on the event loop connects anew as well
        self.ask("GET", "/oauth2/jwks")
        seen.clear()
        try:
            yield seen
        finally:
            for engine in engines:
                event.remove(engine, "connect", trace)
                engine.dispose()


@contextmanager
def oauth_service(service: Service) -> Iterator[OAuthService]:
    """A oauth with the API ``orders-api``."""
    with OAuthService(service) as made:
        made.api = made.add_api()
        yield made


@contextmanager
def second_node(service: Service) -> Iterator[Node]:
    """Another process over the same database, folder and clock."""
    with Service.open(service.settings, clock=service.clock) as other, Node(other, "192.0.2.2") as node:
        yield node


def both(*awaitables: Awaitable[Any]) -> Coroutine[Any, Any, list[Any]]:
    """All of them at once."""

    async def gathered() -> list[Any]:
        return list(await asyncio.gather(*awaitables))

    return gathered()


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT."""
    seen = read_unverified(token)
    assert seen is not None
    return dict(seen.claims)


class KeyPair:
    """A client's own key."""

    def __init__(self, kid: str = "one") -> None:
        private = ec.generate_private_key(ec.SECP256R1())
        self.key = SigningKey(private, key_id=kid)
        numbers = private.public_key().public_numbers()
        coordinate = lambda number: base64.urlsafe_b64encode(number.to_bytes(32)).decode().rstrip("=")  # noqa: E731
        self.jwk = {"kty": "EC", "crv": "P-256", "kid": kid, "x": coordinate(numbers.x), "y": coordinate(numbers.y)}

    @property
    def jwks(self) -> str:
        """Its public half, as a service account is given it."""
        return json.dumps({"keys": [self.jwk]})

    def assertion(self, client_id: str, audience: str, *, now: float | None = None, **claims: Any) -> str:
        """A good assertion, but for what ``claims`` put in the place of its own (None: nothing)."""
        at = int(time.time() if now is None else now)
        members = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": at,
            "exp": at + 60,
            "jti": "j-1",
        } | claims
        return self.key.sign({name: value for name, value in members.items() if value is not None}, typ="JWT")


def asserted(assertion: str, **fields: str) -> dict[str, str]:
    """The form with which a client proves itself by ``assertion``."""
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    } | fields


def response_parts(answer: httpx2.Response) -> tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]:
    """All that an answer says: status, body, headers but for the request's own name."""
    headers = [header for header in answer.headers.raw if header[0].lower() != b"x-request-id"]
    return answer.status_code, answer.content, tuple(sorted(headers))


def error_of(answer: httpx2.Response) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return answer.status_code, answer.json()["error"]
