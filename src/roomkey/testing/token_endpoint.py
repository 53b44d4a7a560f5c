"""The token endpoint of a test issuer: client authentication (RFC 6749 section 2.3), grants (sections 4 to 6)."""

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qsl, unquote_plus

from roomkey.errors import InvalidToken
from roomkey.jose.verification_key import ALGORITHMS
from roomkey.jose.verify import verify_compact
from roomkey.secret import Confidential
from roomkey.testing.ledger import Authorization, Ledger, LedgerToken, RegisteredClient, digest
from roomkey.testing.loopback import LoopbackRequest, LoopbackResponse, json_response

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SECRET_PARAMETERS: Final = frozenset({"client_secret", "password", "refresh_token", "client_assertion", "token"})
_REPEATABLE: Final = frozenset({"resource", "audience"})


@dataclass(frozen=True, slots=True)
class RecordedTokenRequest:
    """A token request, as the issuer records it: without the secrets that it carried.

    ``authentication`` is ``client_secret_basic``, ``client_secret_post``, ``private_key_jwt`` or ``none``.
    ``parameters`` are those of the form in the order of arrival; a secret one has the value ``••••``.
    ``refresh_token_digest`` is the SHA-256 (hex) of the refresh token that was sent, or None. ``arrived`` is
    ``time.monotonic()`` in seconds.
    """

    path: str
    grant_type: str
    client_id: str
    authentication: str
    parameters: tuple[tuple[str, str], ...]
    refresh_token_digest: str | None
    arrived: float

    def parameter(self, name: str) -> str | None:
        """The first value of a parameter of the form, or None."""
        return next((value for key, value in self.parameters if key == name), None)


class IssuerError(Exception):
    """An error response (RFC 6749 section 5.2)."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.status = status

    def response(self, request: LoopbackRequest) -> LoopbackResponse:
        """The response to ``request``, with a challenge where it used HTTP Basic."""
        by_basic = self.status == 401 and request.header("authorization") is not None
        challenge = (("www-authenticate", 'Basic realm="token endpoint"'),) if by_basic else ()
        return json_response({"error": self.error}, self.status, *challenge)


class ClientRequest(Confidential):
    """A form and the credentials of the client that sent it; its repr shows no value."""

    __slots__ = ("authentication", "client_id", "client_secret", "form")

    def __init__(self, request: LoopbackRequest, *, form_encoded_basic: bool) -> None:
        self.form = tuple(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        self.authentication = "none"
        self.client_id = self.value("client_id") or ""
        self.client_secret = self.value("client_secret")
        if self.client_secret is not None:
            self.authentication = "client_secret_post"
        if self.value("client_assertion") is not None:
            self.authentication = "private_key_jwt"
        basic = _basic(request.header("authorization"), form_encoded=form_encoded_basic)
        if basic is not None:
            self.authentication = "client_secret_basic"
            self.client_id, self.client_secret = basic

    def value(self, name: str) -> str | None:
        """The first value of a parameter, or None."""
        return next((value for key, value in self.form if key == name), None)

    def values(self, name: str) -> tuple[str, ...]:
        """All values of a parameter that may be repeated."""
        return tuple(value for key, value in self.form if key == name)

    def record(self, request: LoopbackRequest) -> RecordedTokenRequest:
        """The record of the request, without its secrets."""
        refresh_token = self.value("refresh_token")
        return RecordedTokenRequest(
            request.path,
            self.value("grant_type") or "",
            self.client_id,
            self.authentication,
            tuple((name, "••••" if name in _SECRET_PARAMETERS else value) for name, value in self.form),
            None if refresh_token is None else digest(refresh_token),
            request.arrived,
        )

    def __repr__(self) -> str:
        return f"ClientRequest(client_id={self.client_id!r}, {self.authentication})"


def _basic(authorization: str | None, *, form_encoded: bool) -> tuple[str, str] | None:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    name, _, secret = text.partition(":")
    return (unquote_plus(name), unquote_plus(secret)) if form_encoded else (name, secret)


class AuthorizationServer(Protocol):
    """The parts of an issuer that its token endpoint works with."""

    audience: str
    ledger: Ledger

    @property
    def url(self) -> str: ...  # noqa: D102

    @property
    def token_endpoint(self) -> str: ...  # noqa: D102

    def wall(self) -> float: ...  # noqa: D102

    def token_members(  # noqa: D102
        self, grant: Authorization, *, scope: str | None = None, renewed: bool = False
    ) -> dict[str, object]: ...

    def use_refresh_token(self, token: LedgerToken) -> bool: ...  # noqa: D102


def authenticate_client(issuer: AuthorizationServer, sent: ClientRequest) -> RegisteredClient:
    """The client that sent this; raises IssuerError with ``invalid_client``."""
    client = issuer.ledger.clients.get(sent.client_id)
    if client is None or not client.enabled or client.authentication not in (None, sent.authentication):
        raise IssuerError("invalid_client", 401)
    if sent.authentication == "private_key_jwt":
        _check_assertion(issuer, client, sent)
        return client
    expected, received = client.client_secret or "", sent.client_secret or ""
    if client.keys is not None or not hmac.compare_digest(expected.encode(), received.encode()):
        raise IssuerError("invalid_client", 401)
    return client


def _check_assertion(issuer: AuthorizationServer, client: RegisteredClient, sent: ClientRequest) -> None:
    """Accept each assertion once, for one minute before and ten after it was made (RFC 7523 section 3)."""
    assertion, now = sent.value("client_assertion") or "", issuer.wall()
    if client.keys is None or sent.value("client_assertion_type") != _ASSERTION_TYPE or sent.client_secret:
        raise IssuerError("invalid_client", 401)
    try:
        claims = json.loads(verify_compact(assertion, client.keys, algorithms=ALGORITHMS))
        parties = (claims["iss"], claims["sub"])
        servers = claims["aud"] in (issuer.url, issuer.token_endpoint)
        issued, expires, jti = float(claims["iat"]), float(claims["exp"]), str(claims["jti"])
    except (InvalidToken, ValueError, TypeError, KeyError):
        raise IssuerError("invalid_client", 401) from None
    timely = now - 60 <= issued <= now + 5 and now < expires <= now + 600
    with issuer.ledger.lock:
        if parties != (client.client_id,) * 2 or not servers or not timely or jti in client.assertions:
            raise IssuerError("invalid_client", 401)
        client.assertions[jti] = assertion


def token_response_members(issuer: AuthorizationServer, sent: ClientRequest) -> dict[str, object]:
    """The members of the response to a token request; raises IssuerError."""
    names = [name for name, _ in sent.form if name not in _REPEATABLE]
    if len(names) != len(set(names)) or (sent.authentication == "client_secret_basic" and sent.value("client_secret")):
        raise IssuerError("invalid_request")
    grant_type = sent.value("grant_type")
    if not grant_type:
        raise IssuerError("invalid_request")
    client = authenticate_client(issuer, sent)
    if grant_type not in ("client_credentials", "password", "refresh_token"):
        raise IssuerError("unsupported_grant_type")
    if grant_type not in client.grants or (grant_type == "client_credentials" and sent.authentication == "none"):
        raise IssuerError("unauthorized_client")
    if grant_type == "refresh_token":
        return _refresh(issuer, client, sent)
    scope = _granted_scope(sent.value("scope"), client.scope)
    subject = client.client_id if grant_type == "client_credentials" else _authenticated_user(issuer, sent)
    audience = sent.values("resource") + sent.values("audience") or (issuer.audience,)
    return issuer.token_members(Authorization(client.client_id, subject, scope, audience))


def _authenticated_user(issuer: AuthorizationServer, sent: ClientRequest) -> str:
    user = issuer.ledger.users.get(sent.value("username") or "")
    password = (sent.value("password") or "").encode()
    if user is None or not user.enabled or not hmac.compare_digest(user.password.encode(), password):
        raise IssuerError("invalid_grant")
    return user.username


def _granted_scope(asked: str | None, allowed: str) -> str:
    if not asked:
        return allowed
    if not set(asked.split()) <= set(allowed.split()):
        raise IssuerError("invalid_scope")
    return asked


def _refresh(issuer: AuthorizationServer, client: RegisteredClient, sent: ClientRequest) -> dict[str, object]:
    with issuer.ledger.lock:
        token = issuer.ledger.refresh(sent.value("refresh_token") or "")
        if token is None or token.authorization.client_id != client.client_id:
            raise IssuerError("invalid_grant")
        if not issuer.use_refresh_token(token):
            issuer.ledger.revoke_sign_in(token)  # RFC 9700 section 4.14.2: a replay revokes the whole sign-in
            raise IssuerError("invalid_grant")
        scope = _granted_scope(sent.value("scope"), token.authorization.scope)
        return issuer.token_members(token.authorization, scope=scope, renewed=True)
