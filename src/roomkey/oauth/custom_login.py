"""Custom login: a login that is not OAuth, whose request and places in its response are declared (pure)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Literal, Self
from urllib.parse import urlencode, urlsplit

from roomkey.errors import ConfigurationError
from roomkey.http.messages import Request, Response
from roomkey.http.transport import check_endpoint_url
from roomkey.oauth.answer_paths import STANDARD_PATHS, AnswerPaths
from roomkey.oauth.source import AppCredential, Moment, Parameters, Revealed
from roomkey.oauth.token_response import (
    LONGEST_LIFETIME,
    TokenResponse,
    read_token_response,
)
from roomkey.secret import Secret

Value = str | Secret
Body = Literal["json", "form", "none"]

_BODIES: Final = ("json", "form", "none")
_FRAMING: Final = frozenset({"content-length", "content-type", "host", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginCall:
    """One declared request.

    Parameters:
        url: where it goes: https, or http on loopback.
        method: its HTTP method.
        body: ``json``, ``form``, or ``none`` for a request without a body.
        fields: name to value of the body; a dotted name such as ``user.name`` makes nested JSON.
        headers: name to value. Values that are secret are given as ``Secret`` in both.
    """

    url: str
    method: str = "POST"
    body: Body = "json"
    fields: Mapping[str, Value] = field(default_factory=dict)
    headers: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_endpoint_url(self.url, "url=")
        if self.body not in _BODIES:
            raise ConfigurationError(f"body= is one of {', '.join(_BODIES)}.")
        if self.body == "none" and self.fields:
            raise ConfigurationError('fields= need body="json" or body="form".')
        if not (self.method.isascii() and self.method.isalpha() and self.method.isupper()):
            raise ConfigurationError("method= is an HTTP method in capitals, such as POST.")
        for name in self.headers:
            _check_header_name(name, "headers=")
        _tree(dict.fromkeys(self.fields, ""))

    def parameters(self, prefix: str) -> Parameters:
        """Everything that is no secret, names beginning with ``prefix``."""
        plain = (
            (f"{prefix}.{group}.{name}", (value,))
            for group, values in (("field", self.fields), ("header", self.headers))
            for name, value in sorted(values.items(), key=lambda item: item[0])
            if isinstance(value, str)
        )
        return ((prefix, (self.url, self.method, self.body)), *plain)

    def secrets(self, prefix: str) -> tuple[tuple[str, Secret], ...]:
        """The secrets by name, names beginning with ``prefix``."""
        return tuple(
            (f"{prefix}.{group}.{name}", value)
            for group, values in (("field", self.fields), ("header", self.headers))
            for name, value in values.items()
            if isinstance(value, Secret)
        )

    def request(self, prefix: str, revealed: Revealed, more: Mapping[str, str], *, app_header: str) -> Request:
        """The request; ``more`` are further fields, ``app_header`` is the header that carries the app's own token."""
        fields = {name: _clear(f"{prefix}.field.{name}", value, revealed) for name, value in self.fields.items()}
        headers = [(name, _clear(f"{prefix}.header.{name}", value, revealed)) for name, value in self.headers.items()]
        for name, value in headers:
            if not (value.isascii() and value.isprintable()):
                raise ConfigurationError(f"The value for the header {name} must be printable ASCII in one line.")
        if revealed.authorization is not None:
            headers.append((app_header, revealed.authorization))
        kind = {"json": "application/json", "form": "application/x-www-form-urlencoded"}.get(self.body)
        if kind is not None:
            headers.append(("Content-Type", kind))
        if not any(name.lower() == "accept" for name, _ in headers):
            headers.append(("Accept", "application/json, */*;q=0.5"))
        return Request(self.method, self.url, tuple(headers), _encoded(self.body, fields | dict(more)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomLogin:
    """A login endpoint of some API's own.

    Parameters:
        url, method, body, fields, headers: the request; see ``LoginCall``.
        answer: where in the response the token, its expiry and the refresh token are.
        scheme: what stands before the token in the ``Authorization`` header.
        refresh: the request that spends a refresh token; None logs in again instead.
        refresh_field: the field of ``refresh`` that carries the refresh token.
        authenticated_by: the app's own credential, where the login call must carry the app's token.
        app_header: the header for that.
        default_lifetime: seconds that count where neither response nor token names a lifetime.
    """

    url: str
    method: str = "POST"
    body: Body = "json"
    fields: Mapping[str, Value] = field(default_factory=dict)
    headers: Mapping[str, Value] = field(default_factory=dict)
    answer: AnswerPaths = STANDARD_PATHS
    scheme: str = "Bearer"
    refresh: LoginCall | None = None
    refresh_field: str = "refresh_token"
    authenticated_by: AppCredential | None = None
    app_header: str = "Authorization"
    default_lifetime: float = 300.0

    kind: ClassVar[str] = "custom_login"

    def __post_init__(self) -> None:
        _ = self._login
        _check_header_name(self.app_header, "app_header=")
        if not self.scheme.isascii() or not self.scheme.replace("-", "").isalnum():
            raise ConfigurationError("scheme= is one word, such as Bearer.")
        if not 0.0 < self.default_lifetime <= LONGEST_LIFETIME:
            raise ConfigurationError("default_lifetime= is a number of seconds above 0 and up to 366 days.")

    @property
    def _login(self) -> LoginCall:
        return LoginCall(url=self.url, method=self.method, body=self.body, fields=self.fields, headers=self.headers)

    @property
    def issuer(self) -> None:
        """None: a custom login has no metadata."""
        return

    @property
    def token_endpoint(self) -> str:
        """The login's URL."""
        return self.url

    @property
    def scope(self) -> str | None:
        """The field ``scope``, where the login has one."""
        value = self.fields.get("scope")
        return value if isinstance(value, str) else None

    @property
    def description(self) -> str:
        """Kind and host in words."""
        return f"{self.kind} at {urlsplit(self.url).netloc}"

    def parameters(self) -> Parameters:
        """Everything that shapes the token and is no secret."""
        app = () if self.authenticated_by is None else self.authenticated_by.parameters()
        settings = (
            repr(self.answer),
            self.scheme,
            self.refresh_field,
            self.app_header,
            str(self.default_lifetime),
        )
        refresh = () if self.refresh is None else self.refresh.parameters("refresh")
        shown = (("settings", settings), *self._login.parameters("login"), *refresh)
        return (*shown, *((f"app.{name}", values) for name, values in app))

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The secrets by name, the app's own among them: another app gets the user another token."""
        app = () if self.authenticated_by is None else self.authenticated_by.secrets()
        refresh = () if self.refresh is None else self.refresh.secrets("refresh")
        return (*self._login.secrets("login"), *refresh, *((f"app.{name}", secret) for name, secret in app))

    def login_request(self, endpoint: str, revealed: Revealed, moment: Moment) -> Request:  # noqa: ARG002 - as every source
        """The declared login; ``endpoint`` is its own URL."""
        return replace(self._login, url=endpoint).request("login", revealed, {}, app_header=self.app_header)

    def refresh_request(self, endpoint: str, revealed: Revealed, refresh_token: str, moment: Moment) -> Request:
        """The declared refresh; without one, the login again."""
        if self.refresh is None:
            return self.login_request(endpoint, revealed, moment)
        more = {self.refresh_field: refresh_token}
        return self.refresh.request("refresh", revealed, more, app_header=self.app_header)

    def read_response(self, response: Response, *, wall: float) -> TokenResponse:
        """The token in ``response``; raises TokenEndpointError."""
        return read_token_response(
            response, wall=wall, paths=self.answer, default_lifetime=self.default_lifetime, scheme=self.scheme
        )

    def with_scope(self, scope: str) -> Self:
        """The same login with another field ``scope``; raises ConfigurationError where it has none."""
        if self.scope is None:
            raise ConfigurationError("This custom login has no field named scope, so no other scope can be asked for.")
        return replace(self, fields={**self.fields, "scope": scope})


def _check_header_name(name: str, setting: str) -> None:
    if name.lower() in _FRAMING or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise ConfigurationError(f"{setting} cannot set {name!r}.")


def _clear(name: str, value: Value, revealed: Revealed) -> str:
    return value if isinstance(value, str) else revealed.values[name]


def _encoded(body: Body, fields: Mapping[str, str]) -> bytes:
    if body == "json":
        return json.dumps(_tree(fields)).encode()
    return urlencode(list(fields.items())).encode() if body == "form" else b""


def _tree(fields: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in fields.items():
        *branches, leaf = name.split(".")
        place = tree
        for branch in branches:
            place = place.setdefault(branch, {})
            if not isinstance(place, dict):
                raise ConfigurationError(f"The field {name!r} and another one stand in each other's way.")
        if leaf in place:
            raise ConfigurationError(f"The field {name!r} and another one stand in each other's way.")
        place[leaf] = value
    return tree
