"""A real OAuth 2.0 authorization server on loopback, for tests: short tokens, honest errors, faults on demand."""

import math
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Final

from roomkey.clock import Clock, SystemClock
from roomkey.jose.jwks.key_set import KeySet
from roomkey.testing import custom_logins
from roomkey.testing.access_tokens import access_claims, signed_access
from roomkey.testing.api_endpoints import ENDPOINTS, answer_api
from roomkey.testing.faults import FaultyServer
from roomkey.testing.issuer_keys import IssuerKeys
from roomkey.testing.issuer_metadata import DEFAULT_SCOPE, metadata
from roomkey.testing.ledger import ALL_GRANTS, Client, Grant, Ledger, User
from roomkey.testing.loopback import Answer, ReceivedRequest, json_answer
from roomkey.testing.published_lists import PublishedLists
from roomkey.testing.token_endpoint import (
    Refusal,
    Submission,
    TokenRequest,
    answer_members,
    authenticated_client,
)

_TOKEN: Final = "/oauth2/token"  # noqa: S105 - a path
_REVOKE: Final = "/oauth2/revoke"


class Issuer(FaultyServer):
    """An authorization server on 127.0.0.1 that a test can make slow, wrong or silent; a context manager.

    It serves RFC 8414 and OpenID metadata, a token endpoint (``client_credentials``, ``password``, ``refresh_token``),
    revocation (RFC 7009), its JWKS and login endpoints that are not OAuth. A client ``reports`` and a user ``alice``
    exist from the start (:attr:`client`, :attr:`user`); APIs find its keys, introspection, a status list and a deny
    list. The attributes below may be changed while it runs; every method is safe in any thread.

    Attributes:
        lifetime: seconds that an access token lives (``expires_in``); 0 and negative ones give tokens that have ended.
        opaque: give out random strings instead of JWTs (RFC 9068, ES256).
        refresh_tokens: give a refresh token with every grant; ``refresh_lifetime`` (seconds) is announced if it is set.
        rotate_refresh_tokens: a refresh gives a new refresh token and spends the old one.
        reuse_grace: seconds in which a spent refresh token still works; after them its use ends the whole sign-in.
        same_token: answer with the token given before while that one lives, and the seconds that it has left.
        basic_form_encoded: decode the parts of client_secret_basic (RFC 6749 section 2.3.1); False takes them raw.
        audience: ``aud`` where the request names none.
        claimed_issuer: a wrong ``issuer`` for the metadata, or None.
        metadata_paths: ``oauth`` (RFC 8414) and ``openid``: which metadata documents exist.
        shape: changes the members of a right token answer before they are sent, or None.
        token_requests: every request for a token so far, as :class:`TokenRequest` values.
        other_requests: (method, path) of all others: metadata, keys, introspection, lists, revocation.
        faulty: which endpoints faults and outages concern: of ``token``, ``keys``, ``introspection``, ``status_list``,
            ``deny_list`` and ``metadata``.
        keys: what it signs with, as :class:`IssuerKeys`; ``rotate()`` and ``withdraw()`` change that.
        lists: its status list and deny list, as :class:`PublishedLists`.
        status_claims: give every JWT a place in the status list.
        introspection_shape: changes the members of a right introspection answer before they are sent, or None.
        most_at_once: the largest number of token requests that were being answered at one time.
    """

    def __init__(
        self,
        lifetime: float = 300.0,
        *,
        opaque: bool = False,
        refresh_tokens: bool = False,
        refresh_lifetime: float | None = None,
        rotate_refresh_tokens: bool = True,
        reuse_grace: float = 0.0,
        same_token: bool = False,
        delay: float = 0.0,
        date_offset: float = 0.0,
        audience: str = "orders-api",
        path: str = "",
        clock: Clock | None = None,
    ) -> None:
        """``path`` (such as ``/tenant-1``) becomes part of the issuer's URL; ``clock`` rules lifetimes and dates."""
        clock = clock or SystemClock()
        super().__init__(self._answer, wall=clock.wall, spoils=self._is_faulty, delay=delay, date_offset=date_offset)
        self.monotonic = clock.monotonic
        self.lifetime = lifetime
        self.opaque = opaque
        self.refresh_tokens = refresh_tokens
        self.refresh_lifetime = refresh_lifetime
        self.rotate_refresh_tokens = rotate_refresh_tokens
        self.reuse_grace = reuse_grace
        self.same_token = same_token
        self.basic_form_encoded = True
        self.audience = audience
        self.claimed_issuer: str | None = None
        self.metadata_paths: tuple[str, ...] = ("oauth", "openid")
        self.shape: Callable[[dict[str, object]], object] | None = None
        self.token_requests: list[TokenRequest] = []
        self.other_requests: list[tuple[str, str]] = []
        self.faulty = {"token"}
        self.status_claims = False
        self.introspection_shape: Callable[[dict[str, Any]], object] | None = None
        self.ledger = Ledger(clock.monotonic)
        self.keys = IssuerKeys()
        self.lists = PublishedLists(self)
        self._path = path
        self.client: Client = self.add_client("reports")
        self.user: User = self.add_user("alice")

    @property
    def url(self) -> str:
        """The issuer identifier: what ``issuer=`` of a source is given."""
        return self.origin + self._path

    @property
    def token_endpoint(self) -> str:
        """The absolute URL of the token endpoint."""
        return self.url + _TOKEN

    @property
    def revocation_endpoint(self) -> str:
        """The absolute URL of the revocation endpoint."""
        return self.url + _REVOKE

    @property
    def jwks_uri(self) -> str:
        """The absolute URL of its published keys."""
        return self.url + "/oauth2/jwks"

    @property
    def introspection_endpoint(self) -> str:
        """The absolute URL at which APIs ask about tokens."""
        return self.url + "/oauth2/introspect"

    @property
    def secret_values(self) -> tuple[str, ...]:
        """Every secret that this issuer knows, for a :class:`~roomkey.testing.LeakDetector`."""
        return self.ledger.secret_values()

    def login_endpoint(self, name: str) -> str:
        """The absolute URL of a custom login; ``custom_logins.LOGINS`` has the names and what each of them answers."""
        return self.url + custom_logins.LOGINS[name].path

    def add_client(
        self,
        client_id: str,
        client_secret: str | None = None,
        *,
        public: bool = False,
        scope: str = DEFAULT_SCOPE,
        grants: Iterable[str] = ALL_GRANTS,
        authentication: str | None = None,
        keys: KeySet | None = None,
    ) -> Client:
        """Register a client; a secret is made where none is given, unless it is ``public`` or has ``keys``.

        ``authentication`` limits it to one of ``client_secret_basic``, ``client_secret_post`` and ``none``; with
        ``keys`` it proves itself by assertions that one of them signed (RFC 7523).
        """
        secret = None if public or keys is not None else client_secret or secrets.token_urlsafe(32)
        return self.ledger.add_client(
            client_id, secret, scope=scope, grants=grants, authentication=authentication, keys=keys
        )

    def rotate_client_secret(self, client_id: str, client_secret: str | None = None) -> str:
        """Replace a client's secret and return the new one; raises KeyError for an unknown client."""
        return self.ledger.rotate_client_secret(client_id, client_secret)

    def add_user(self, username: str, password: str | None = None) -> User:
        """Register a user; a password is made where none is given."""
        return self.ledger.add_user(username, password or secrets.token_urlsafe(18))

    def issue(
        self, *, client_id: str = "reports", subject: str | None = None, scope: str = "", lifetime: float | None = None
    ) -> str:
        """A new access token without a request: an app token as a backoffice makes it. ``lifetime`` is in seconds."""
        scope = scope or self.ledger.clients[client_id].scope
        grant = Grant(client_id, subject or client_id, scope, (self.audience,))
        return self._new_access(grant, self.lifetime if lifetime is None else lifetime)

    def token(self, *, typ: str = "at+jwt", **claims: Any) -> str:
        """A signed access token of the client ``reports``; ``claims`` replace those that it would have, None drops one.

        The issuer knows it: it can be revoked and asked about.
        """
        client_id = str(claims.get("client_id") or self.client.client_id)
        subject, scope = str(claims.get("sub") or client_id), str(claims.get("scope") or self.client.scope)
        grant = Grant(client_id, subject, scope, (self.audience,))
        return signed_access(self, access_claims(self, grant, self.lifetime) | claims, grant, self.lifetime, typ=typ)

    def revoke(self, token: str) -> bool:
        """Revoke an access token, or a refresh token with all tokens of its sign-in; False for an unknown one."""
        return self.ledger.revoke(token)

    def revoke_all(self) -> None:
        """Revoke every access token; refresh tokens stay good."""
        self.ledger.revoke_all()

    def is_live(self, token: str) -> bool:
        """Whether this issuer gave ``token`` out as an access token and it has neither ended nor been revoked."""
        return self.ledger.access(token) is not None

    def token_members(self, grant: Grant, *, scope: str | None = None, renewed: bool = False) -> dict[str, object]:
        """Make tokens for ``grant`` and return the members of a token answer (RFC 6749 section 5.1)."""
        access = grant.narrowed(scope)
        held = self.ledger.held_for(access) if self.same_token else None
        lifetime = self.lifetime if held is None else max(0.0, held.expires - self.monotonic())
        members: dict[str, object] = {
            "access_token": self._new_access(access, lifetime) if held is None else held.value,
            "token_type": "Bearer",
            "expires_in": _whole(lifetime),
            "scope": access.scope,
        }
        if self.refresh_tokens and (self.rotate_refresh_tokens or not renewed):
            members["refresh_token"] = self._new_refresh(grant)
            if self.refresh_lifetime is not None:
                members["refresh_expires_in"] = _whole(self.refresh_lifetime)
        return members

    def _new_access(self, grant: Grant, lifetime: float) -> str:
        if self.opaque:
            return self.ledger.keep_access(secrets.token_urlsafe(32), grant, lifetime).value
        return signed_access(self, access_claims(self, grant, lifetime), grant, lifetime)

    def _new_refresh(self, grant: Grant) -> str:
        lifetime = math.inf if self.refresh_lifetime is None else self.refresh_lifetime
        return self.ledger.keep_refresh(secrets.token_urlsafe(36), grant, lifetime).value

    def _is_faulty(self, request: ReceivedRequest) -> bool:
        return self._endpoint(request) in self.faulty

    def _endpoint(self, request: ReceivedRequest) -> str:
        path = request.path.removeprefix(self._path)
        if path == _TOKEN or custom_logins.login_at(path) is not None:
            return "token"
        return ENDPOINTS.get(path, "metadata" if "/.well-known/" in request.path else "other")

    def _arrived(self, request: ReceivedRequest) -> None:
        login = custom_logins.login_at(request.path.removeprefix(self._path))
        if login is not None:
            self.token_requests.append(custom_logins.record(request))
        elif self._endpoint(request) == "token":
            self.token_requests.append(self._submission(request).record(request))
        else:
            self.other_requests.append((request.method, request.path))

    def _submission(self, request: ReceivedRequest) -> Submission:
        return Submission(request, form_encoded_basic=self.basic_form_encoded)

    def _answer(self, request: ReceivedRequest) -> Answer:
        path = request.path.removeprefix(self._path)
        login = custom_logins.login_at(path)
        if login is not None:
            return login.answer(self, request)
        if path == _TOKEN:
            return self._token(request)
        if not self._is_faulty(request):  # else that was noted before its fate was decided
            self.other_requests.append((request.method, request.path))
        if path == _REVOKE and request.method == "POST":
            return self._revocation(request)
        if path in ENDPOINTS:
            return answer_api(self, ENDPOINTS[path], request)
        if request.path == f"/.well-known/oauth-authorization-server{self._path}" and "oauth" in self.metadata_paths:
            return json_answer(metadata(self))
        if path == "/.well-known/openid-configuration" and "openid" in self.metadata_paths:
            return json_answer(metadata(self))
        return json_answer({"error": "not_found"}, 404)

    def _token(self, request: ReceivedRequest) -> Answer:
        if request.method != "POST":
            return Answer(405, headers=[("allow", "POST")])
        if (request.header("content-type") or "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            return json_answer({"error": "invalid_request"}, 400)
        try:
            members = answer_members(self, self._submission(request))
        except Refusal as refusal:
            return _refused(refusal, request)
        answered = members if self.shape is None else self.shape(members)
        return json_answer(answered, 200, ("cache-control", "no-store"))

    def _revocation(self, request: ReceivedRequest) -> Answer:
        sent = self._submission(request)
        try:
            authenticated_client(self, sent)
        except Refusal as refusal:
            return _refused(refusal, request)
        self.revoke(sent.value("token") or "")
        return Answer(200)

    def __repr__(self) -> str:
        return f"Issuer({self.url}, {len(self.token_requests)} token requests)"


def _whole(seconds: float) -> int | float:
    return int(seconds) if float(seconds).is_integer() else round(seconds, 3)


def _refused(refusal: Refusal, request: ReceivedRequest) -> Answer:
    asked_by_basic = refusal.status == 401 and request.header("authorization") is not None
    challenge = (("www-authenticate", 'Basic realm="token endpoint"'),) if asked_by_basic else ()
    return json_answer({"error": refusal.error}, refusal.status, *challenge)
