"""The grants of RFC 6749 that need no browser: client credentials and password, with refresh (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Final, Self
from urllib.parse import urlsplit

from roomkey.errors import ConfigurationError
from roomkey.http.messages import Request, Response
from roomkey.http.transport import check_endpoint_url
from roomkey.oauth.answer_paths import STANDARD_PATHS, AnswerPaths
from roomkey.oauth.client_authentication import (
    Authentication,
    Form,
    PrivateKeyJWT,
    authenticated_request,
    checked_authentication,
)
from roomkey.oauth.source import AppCredential, Moment, Parameters, Revealed
from roomkey.oauth.token_response import (
    LONGEST_LIFETIME,
    TokenResponse,
    read_token_response,
)
from roomkey.secret import Secret

Many = str | Iterable[str] | None
Extra = Mapping[str, Many] | Iterable[tuple[str, str]]

_OWN: Final = frozenset({"grant_type", "client_id", "client_secret", "username", "password", "refresh_token", "scope"})
_ASSERTION: Final = frozenset({"client_assertion", "client_assertion_type"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grant:
    """The settings that both grants have in common.

    Parameters:
        issuer: the auth service, whose metadata names the token endpoint; or
        token_endpoint: its absolute URL, which skips discovery.
        client_id: the client.
        client_secret: its secret, as a string or ``Secret``; none for a public client.
        scope: space-separated words.
        audience: the API that the token is for, where the auth service wants that parameter.
        resource: one URL or several (RFC 8707).
        extra: more form parameters; a name may have several values.
        authentication: how the client authenticates: the name of a method, or ``PrivateKeyJWT(...)``; by default the
            secret goes into the header (Basic), or into the form where the issuer's metadata offers that alone.
        repeat_on_refresh: send scope, audience, resource and extra with a refresh too.
        default_lifetime: seconds that count where neither response nor token names a lifetime.
        answer: where in the response things are.
    """

    issuer: str | None = None
    token_endpoint: str | None = None
    client_id: str = ""
    client_secret: Secret | str | None = None
    scope: str | None = None
    audience: str | None = None
    resource: Many = ()
    extra: Extra = ()
    authentication: Authentication | None = None
    repeat_on_refresh: bool = False
    default_lifetime: float = 300.0
    answer: AnswerPaths = STANDARD_PATHS

    kind: ClassVar[str]
    _secret_names: ClassVar[tuple[str, ...]] = ("client_secret",)

    def __post_init__(self) -> None:
        if (self.issuer is None) == (self.token_endpoint is None):
            raise ConfigurationError("Give either issuer= or token_endpoint=.")
        if self.scope is not None and not isinstance(self.scope, str):
            words = self.scope if isinstance(self.scope, list | tuple | set | frozenset) else ()
            if not words or not all(isinstance(one, str) for one in words):
                raise ConfigurationError('scope= must be one string of words, such as "orders:read orders:write".')
            object.__setattr__(self, "scope", " ".join(words))
        object.__setattr__(self, "resource", _values(self.resource))
        object.__setattr__(self, "extra", _pairs(self.extra))
        for name, _ in self._extra_pairs:
            if name in _OWN | _ASSERTION:
                raise ConfigurationError(f"extra= cannot set {name}, which has a setting of its own.")
        if not 0.0 < self.default_lifetime <= LONGEST_LIFETIME:
            raise ConfigurationError("default_lifetime= is a number of seconds above 0 and up to 366 days.")
        check_endpoint_url(self.issuer or self.token_endpoint or "", "issuer=" if self.issuer else "token_endpoint=")
        secret = None if self.client_secret is None else Secret.of(self.client_secret)
        object.__setattr__(self, "client_secret", secret)
        _ = self._default_authentication

    @property
    def _default_authentication(self) -> Authentication:
        has_secret = self.client_secret is not None
        return checked_authentication(self.authentication, client_id=self.client_id, has_secret=has_secret)

    def _authentication(self, offered: tuple[str, ...]) -> Authentication:
        default = self._default_authentication
        if self.authentication is None and default not in offered and "client_secret_post" in offered:
            return "client_secret_post" if self.client_secret is not None else default
        return default

    @property
    def _extra_pairs(self) -> Form:
        return self.extra  # type: ignore[return-value] # normalised in __post_init__

    @property
    def authenticated_by(self) -> AppCredential | None:
        """None: the client authenticates in the token request."""
        return None

    @property
    def description(self) -> str:
        """Kind, client and host in words."""
        return f"{self.kind} {self.client_id or 'without client_id'} at {_host(self.issuer or self.token_endpoint)}"

    def parameters(self) -> Parameters:
        """Every setting but the secrets; the order and repetition of scopes does not count, their case does."""
        return tuple(
            (one.name, _sorted_words(self.scope) if one.name == "scope" else _strings(self._setting(one.name)))
            for one in fields(self)
            if one.name not in self._secret_names
        )

    def _setting(self, name: str) -> Any:
        return self._default_authentication if name == "authentication" else getattr(self, name)

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The secrets by name."""
        named = ((name, getattr(self, name)) for name in self._secret_names)
        own = tuple((name, secret) for name, secret in named if secret is not None)
        return (*own, *self.authentication.secrets()) if isinstance(self.authentication, PrivateKeyJWT) else own

    def refresh_request(self, endpoint: str, revealed: Revealed, refresh_token: str, moment: Moment) -> Request:
        """The request that spends ``refresh_token`` (RFC 6749 section 6)."""
        form: Form = (("grant_type", "refresh_token"), ("refresh_token", refresh_token))
        return self._request(endpoint, (*form, *self._asked()) if self.repeat_on_refresh else form, revealed, moment)

    def read_response(self, response: Response, *, wall: float) -> TokenResponse:
        """The token in ``response``; raises TokenEndpointError."""
        return read_token_response(response, wall=wall, paths=self.answer, default_lifetime=self.default_lifetime)

    def with_scope(self, scope: str) -> Self:
        """The same source for another scope."""
        return replace(self, scope=scope)

    def _asked(self) -> Form:
        asked: list[tuple[str, str]] = []
        if self.scope:
            asked.append(("scope", self.scope))
        if self.audience is not None:
            asked.append(("audience", self.audience))
        asked += [("resource", one) for one in _values(self.resource)]
        return (*asked, *self._extra_pairs)

    def _request(self, endpoint: str, form: Form, revealed: Revealed, moment: Moment) -> Request:
        return authenticated_request(
            endpoint,
            form,
            authentication=self._authentication(moment.methods),
            client_id=self.client_id,
            revealed=revealed,
            server=self.issuer or endpoint,
            moment=moment,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials(_Grant):
    """An app's own identity: the client credentials grant (RFC 6749 section 4.4).

    >>> ClientCredentials(issuer="https://auth.example", client_id="reports", client_secret="…").scope is None
    True
    """

    kind: ClassVar[str] = "client_credentials"
    __doc__ = f"{__doc__}\n{_Grant.__doc__}"

    def __post_init__(self) -> None:
        _Grant.__post_init__(self)
        if not self.client_id:
            raise ConfigurationError("client_id= is missing; client credentials need a client.")

    def login_request(self, endpoint: str, revealed: Revealed, moment: Moment) -> Request:
        """The token request of RFC 6749 section 4.4.2."""
        return self._request(endpoint, (("grant_type", "client_credentials"), *self._asked()), revealed, moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Password(_Grant):
    """A user's own name and password, sent by a client that may authenticate too (RFC 6749 section 4.3).

    ``username`` and ``password`` come on top of the settings of ``ClientCredentials``; with ``client_id`` and
    ``client_secret`` the token says who the user is and which app acts.
    """

    username: str
    password: Secret | str

    kind: ClassVar[str] = "password"
    _secret_names: ClassVar[tuple[str, ...]] = ("client_secret", "password")

    def __post_init__(self) -> None:
        _Grant.__post_init__(self)
        if not self.username:
            raise ConfigurationError("username= is missing; the password grant needs one.")
        object.__setattr__(self, "password", Secret.of(self.password))

    @property
    def description(self) -> str:
        """Kind, user and host in words."""
        return f"{self.kind} {self.username} at {_host(self.issuer or self.token_endpoint)}"

    def login_request(self, endpoint: str, revealed: Revealed, moment: Moment) -> Request:
        """The token request of RFC 6749 section 4.3.2."""
        form = (("grant_type", "password"), ("username", self.username), ("password", revealed.values["password"]))
        return self._request(endpoint, (*form, *self._asked()), revealed, moment)


def _host(url: str | None) -> str:
    return urlsplit(url or "").netloc


def _values(value: Many) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _pairs(extra: Extra) -> Form:
    if isinstance(extra, Mapping):
        return tuple((name, one) for name, value in extra.items() for one in _values(value))
    return tuple((name, value) for name, value in extra)


def _sorted_words(scope: str | None) -> tuple[str, ...]:
    """The words of a scope, each once, in one order; their case matters (RFC 6749 section 3.3)."""
    return tuple(sorted(set((scope or "").split())))


def _strings(value: Any) -> tuple[str, ...]:
    """A setting as strings that differ whenever it does: None, the empty string and no values are three things."""
    if isinstance(value, PrivateKeyJWT):
        return value.parameters()
    if isinstance(value, tuple):
        return tuple(each for one in value for each in (one if isinstance(one, tuple) else (one,)))
    return () if value is None else (repr(value) if not isinstance(value, str) else value,)
