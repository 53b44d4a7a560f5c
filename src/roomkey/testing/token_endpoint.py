"""The token endpoint of a test issuer: who asks (RFC 6749 section 2.3), and what a grant gives (sections 4 to 6)."""

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qsl, unquote_plus

from roomkey.secret import Confidential
from roomkey.testing.client_assertion import ASSERTION_TYPE, proof_identifier
from roomkey.testing.ledger import Client, Grant, digest
from roomkey.testing.loopback import ReceivedRequest

if TYPE_CHECKING:
    from roomkey.testing.issuer import Issuer

Authentication = Literal[
    "client_secret_basic", "client_secret_post", "private_key_jwt", "none", "bearer", "body", "headers"
]
_SECRET_PARAMETERS: Final = frozenset({"client_secret", "password", "refresh_token", "client_assertion", "token"})
_REPEATABLE: Final = frozenset({"resource", "audience"})


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """One request for a token, as the issuer's records keep it: without the secrets that it carried.

    ``grant_type`` is ``custom_login`` at the custom login endpoints. ``parameters`` are those of the form in the order
    of arrival; a secret one has the value ``••••``. ``refresh_token_digest`` is the SHA-256 (hex) of the refresh token
    that was sent, or None. ``arrived`` is ``time.monotonic()`` in seconds.
    """

    path: str
    grant_type: str
    client_id: str
    authentication: Authentication
    parameters: tuple[tuple[str, str], ...]
    refresh_token_digest: str | None
    arrived: float

    def parameter(self, name: str) -> str | None:
        """The first value of a parameter of the form, or None."""
        return next((value for key, value in self.parameters if key == name), None)


class Refusal(Exception):
    """An error answer of RFC 6749 section 5.2."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.status = status


class Submission(Confidential):
    """The form of a token request and the credentials of its client, read once; its repr shows no value."""

    __slots__ = ("authentication", "client_id", "client_secret", "form")

    def __init__(self, request: ReceivedRequest, *, form_encoded_basic: bool) -> None:
        self.form = tuple(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        self.authentication: Authentication = "none"
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

    def record(self, request: ReceivedRequest) -> TokenRequest:
        """What the issuer's records keep of it."""
        spent = self.value("refresh_token")
        return TokenRequest(
            request.path,
            self.value("grant_type") or "",
            self.client_id,
            self.authentication,
            tuple((name, "••••" if name in _SECRET_PARAMETERS else value) for name, value in self.form),
            None if spent is None else digest(spent),
            request.arrived,
        )

    def __repr__(self) -> str:
        return f"Submission(client_id={self.client_id!r}, {self.authentication})"


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


def authenticated_client(issuer: "Issuer", sent: Submission) -> Client:
    """The client that sent this; raises Refusal with ``invalid_client``."""
    client = issuer.ledger.clients.get(sent.client_id)
    accepted = client is not None and client.enabled
    if client is None or not accepted or client.authentication not in (None, sent.authentication):
        raise Refusal("invalid_client", 401)
    if sent.authentication == "private_key_jwt":
        _check_assertion(issuer, client, sent)
    elif client.keys is not None:
        raise Refusal("invalid_client", 401)
    elif client.client_secret is None:
        if sent.client_secret:
            raise Refusal("invalid_client", 401)
    elif not hmac.compare_digest(client.client_secret.encode(), (sent.client_secret or "").encode()):
        raise Refusal("invalid_client", 401)
    return client


def _check_assertion(issuer: "Issuer", client: Client, sent: Submission) -> None:
    """Each assertion counts once (RFC 7523 section 3, jti)."""
    servers = {issuer.url, issuer.token_endpoint}
    assertion = sent.value("client_assertion") or ""
    jti = None
    if client.keys is not None and sent.value("client_assertion_type") == ASSERTION_TYPE and not sent.client_secret:
        jti = proof_identifier(assertion, client.keys, client_id=client.client_id, servers=servers, now=issuer.wall())
    with issuer.ledger.lock:
        if jti is None or jti in client.assertions:
            raise Refusal("invalid_client", 401)
        client.assertions[jti] = assertion


def answer_members(issuer: "Issuer", sent: Submission) -> dict[str, object]:
    """The members of the answer to a token request; raises Refusal."""
    names = [name for name, _ in sent.form if name not in _REPEATABLE]
    if len(names) != len(set(names)) or (sent.authentication == "client_secret_basic" and sent.value("client_secret")):
        raise Refusal("invalid_request")
    grant_type = sent.value("grant_type")
    if not grant_type:
        raise Refusal("invalid_request")
    client = authenticated_client(issuer, sent)
    if grant_type not in ("client_credentials", "password", "refresh_token"):
        raise Refusal("unsupported_grant_type")
    if grant_type not in client.grants or (grant_type == "client_credentials" and sent.authentication == "none"):
        raise Refusal("unauthorized_client")
    if grant_type == "refresh_token":
        return _refreshed(issuer, client, sent)
    scope = _granted_scope(sent.value("scope"), client.scope)
    subject = client.client_id if grant_type == "client_credentials" else _signed_in(issuer, sent)
    audience = sent.values("resource") + sent.values("audience")
    return issuer.token_members(Grant(client.client_id, subject, scope, audience or (issuer.audience,)))


def _signed_in(issuer: "Issuer", sent: Submission) -> str:
    user = issuer.ledger.users.get(sent.value("username") or "")
    password = (sent.value("password") or "").encode()
    if user is None or not user.enabled or not hmac.compare_digest(user.password.encode(), password):
        raise Refusal("invalid_grant")
    return user.username


def _granted_scope(asked: str | None, allowed: str) -> str:
    if not asked:
        return allowed
    if not set(asked.split()) <= set(allowed.split()):
        raise Refusal("invalid_scope")
    return asked


def _refreshed(issuer: "Issuer", client: Client, sent: Submission) -> dict[str, object]:
    with issuer.ledger.lock:
        token = issuer.ledger.refresh(sent.value("refresh_token") or "")
        if token is None or token.grant.client_id != client.client_id:
            raise Refusal("invalid_grant")
        now = issuer.monotonic()
        if token.spent is not None and now - token.spent > issuer.reuse_grace:
            token.grant.revoke()  # RFC 9700 section 4.14.2: a replay ends the whole sign-in
            raise Refusal("invalid_grant")
        scope = _granted_scope(sent.value("scope"), token.grant.scope)
        if issuer.rotate_refresh_tokens and token.spent is None:
            token.spent = now
        return issuer.token_members(token.grant, scope=scope, renewed=True)
