"""An OAuth 2.0 authorization server on loopback, for tests: short tokens, standard errors, faults on demand."""

import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from roomkey.clock import Clock, SystemClock
from roomkey.jose.jwks.key_set import KeySet
from roomkey.testing.faults import FaultyServer
from roomkey.testing.issuer_keys import IssuerKeys, without_none
from roomkey.testing.ledger import ALL_GRANTS, Authorization, Ledger, LedgerToken, RegisteredClient, RegisteredUser
from roomkey.testing.loopback import LoopbackRequest, LoopbackResponse, json_response
from roomkey.testing.token_endpoint import (
    ClientRequest,
    IssuerError,
    RecordedTokenRequest,
    authenticate_client,
    token_response_members,
)

_SCOPE: Final = "orders:read orders:write"
_METADATA: Final = {"oauth": "/.well-known/oauth-authorization-server", "openid": "/.well-known/openid-configuration"}


class Issuer(FaultyServer):
    """An authorization server on 127.0.0.1 that a test can make slow, wrong or silent; a context manager.

    It serves RFC 8414 and OpenID metadata, a token endpoint (``client_credentials``, ``password``, ``refresh_token``),
    revocation (RFC 7009), introspection (RFC 7662) and its JWKS. A client ``reports`` and a user ``alice`` exist from
    the start (:attr:`client`, :attr:`user`). The attributes below may be changed while it runs; every method is safe
    in any thread.

    Attributes:
        lifetime: seconds that an access token lives (``expires_in``); 0 and negative ones give expired tokens.
        opaque: issue random strings instead of JWTs (RFC 9068, ES256).
        refresh_tokens: issue a refresh token with every grant; ``refresh_lifetime`` (seconds) is announced if set.
        rotate_refresh_tokens: a refresh issues a new refresh token and uses up the old one.
        reuse_grace: seconds in which a used refresh token still works; after them its use revokes the whole sign-in.
        same_token: answer with the token issued before while it is valid, and the seconds that it has left.
        basic_form_encoded: decode the parts of client_secret_basic (RFC 6749 section 2.3.1); False takes them raw.
        audience: ``aud`` where the request names none.
        claimed_issuer: a wrong ``issuer`` for the metadata, or None.
        metadata_paths: ``oauth`` (RFC 8414) and ``openid``: which metadata documents exist.
        shape: changes the members of a token response before they are sent, or None.
        token_requests: every token request so far, as :class:`RecordedTokenRequest` values.
        other_requests: (method, path) of all others: metadata, keys, introspection, revocation.
        faulty: which endpoints faults and outages affect: of ``token``, ``keys``, ``introspection``, ``metadata``.
        keys: its signing keys, as :class:`IssuerKeys`; ``rotate()`` and ``withdraw()`` change them.
        introspection_shape: changes the members of an introspection response before they are sent, or None.
        most_at_once: the largest number of requests to faulty endpoints that were being answered at one time.
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
        super().__init__(self._answer, wall=clock.wall, affects=self._is_faulty, delay=delay, date_offset=date_offset)
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
        self.token_requests: list[RecordedTokenRequest] = []
        self.other_requests: list[tuple[str, str]] = []
        self.faulty = {"token"}
        self.introspection_shape: Callable[[dict[str, Any]], object] | None = None
        self.ledger = Ledger(clock.monotonic)
        self.keys = IssuerKeys()
        self._path = path
        self._endpoints: dict[str, tuple[str, Callable[[LoopbackRequest], LoopbackResponse]]] = {
            f"{path}/oauth2/token": ("token", self._token),
            f"{path}/oauth2/revoke": ("revocation", self._revocation),
            f"{path}/oauth2/introspect": ("introspection", self._introspection),
            f"{path}/oauth2/jwks": ("keys", lambda _request: json_response(self.keys.jwks())),
            f"{_METADATA['oauth']}{path}": ("metadata", lambda _request: self._metadata("oauth")),
            f"{path}{_METADATA['openid']}": ("metadata", lambda _request: self._metadata("openid")),
        }
        self.client: RegisteredClient = self.add_client("reports")
        self.user: RegisteredUser = self.add_user("alice")

    @property
    def url(self) -> str:
        """The issuer identifier: the value for ``issuer=`` of a source or validator."""
        return self.origin + self._path

    @property
    def token_endpoint(self) -> str:
        """The absolute URL of the token endpoint."""
        return self.url + "/oauth2/token"

    @property
    def revocation_endpoint(self) -> str:
        """The absolute URL of the revocation endpoint."""
        return self.url + "/oauth2/revoke"

    @property
    def jwks_uri(self) -> str:
        """The absolute URL of its published keys."""
        return self.url + "/oauth2/jwks"

    @property
    def introspection_endpoint(self) -> str:
        """The absolute URL of the introspection endpoint."""
        return self.url + "/oauth2/introspect"

    @property
    def secret_values(self) -> tuple[str, ...]:
        """Every secret that this issuer knows, for a search in logs and output."""
        return self.ledger.secret_values()

    def add_client(
        self,
        client_id: str,
        client_secret: str | None = None,
        *,
        public: bool = False,
        scope: str = _SCOPE,
        grants: Iterable[str] = ALL_GRANTS,
        authentication: str | None = None,
        keys: KeySet | None = None,
    ) -> RegisteredClient:
        """Register a client, in place of one with the same id; makes a secret unless one is given.

        A ``public`` client has none. ``authentication`` limits the client to one of ``client_secret_basic``,
        ``client_secret_post`` and ``none``; with ``keys`` it authenticates by assertions that one of them signed
        (RFC 7523).
        """
        secret = None if public or keys is not None else client_secret or secrets.token_urlsafe(32)
        client = RegisteredClient(client_id, secret, scope, tuple(grants), authentication, keys)
        self.ledger.clients[client_id] = client
        return client

    def rotate_client_secret(self, client_id: str, client_secret: str | None = None) -> str:
        """Replace a client's secret and return the new one; raises KeyError for an unknown client."""
        return self.ledger.rotate_client_secret(client_id, client_secret)

    def add_user(self, username: str, password: str | None = None) -> RegisteredUser:
        """Register a user, in place of one with the same name; makes a password unless one is given."""
        user = self.ledger.users[username] = RegisteredUser(username, password or secrets.token_urlsafe(18))
        return user

    def issue(
        self, *, client_id: str = "reports", subject: str | None = None, scope: str = "", lifetime: float | None = None
    ) -> str:
        """Issue an access token without a request, as a backoffice does an app token. ``lifetime`` is in seconds."""
        scope = scope or self.ledger.clients[client_id].scope
        authorization = Authorization(client_id, subject or client_id, scope, (self.audience,))
        return self._issue_access(authorization, self.lifetime if lifetime is None else lifetime)

    def token(self, *, typ: str = "at+jwt", **claims: Any) -> str:
        """Sign an access token of the client ``reports``; ``claims`` replace those that it would have, None drops one.

        The issuer knows it: it can be revoked and introspected.
        """
        client_id = str(claims.get("client_id") or self.client.client_id)
        subject, scope = str(claims.get("sub") or client_id), str(claims.get("scope") or self.client.scope)
        authorization = Authorization(client_id, subject, scope, (self.audience,))
        return self._sign_access(self._claims(authorization, self.lifetime) | claims, authorization, self.lifetime, typ)

    def revoke(self, token: str) -> bool:
        """Revoke an access token, or a refresh token with all tokens of its sign-in; False for an unknown one."""
        return self.ledger.revoke(token)

    def revoke_all(self) -> None:
        """Revoke every access token; refresh tokens stay valid."""
        self.ledger.revoke_all()

    def is_live(self, token: str) -> bool:
        """Tell whether this issuer issued ``token`` as an access token and it is neither expired nor revoked."""
        return self.ledger.access(token) is not None

    def token_members(
        self, authorization: Authorization, *, scope: str | None = None, renewed: bool = False
    ) -> dict[str, object]:
        """Issue tokens and return the members of a token response (RFC 6749 section 5.1)."""
        access = authorization.narrowed(scope)
        held = self.ledger.newest_for(access) if self.same_token else None
        lifetime = self.lifetime if held is None else max(0.0, held.expires - self.monotonic())
        members: dict[str, object] = {
            "access_token": self._issue_access(access, lifetime) if held is None else held.value,
            "token_type": "Bearer",
            "expires_in": _whole(lifetime),
            "scope": access.scope,
        }
        if self.refresh_tokens and (self.rotate_refresh_tokens or not renewed):
            lifetime = math.inf if self.refresh_lifetime is None else self.refresh_lifetime
            members["refresh_token"] = self.ledger.add_refresh(secrets.token_urlsafe(36), authorization, lifetime)
            if self.refresh_lifetime is not None:
                members["refresh_expires_in"] = _whole(self.refresh_lifetime)
        return members

    def use_refresh_token(self, token: LedgerToken) -> bool:
        """Use up a refresh token where they rotate; False where it was used before, longer ago than ``reuse_grace``."""
        now = self.monotonic()
        if token.used is not None:
            return now - token.used <= self.reuse_grace
        token.used = now if self.rotate_refresh_tokens else None
        return True

    def _issue_access(self, authorization: Authorization, lifetime: float) -> str:
        if self.opaque:
            return self.ledger.add_access(secrets.token_urlsafe(32), authorization, lifetime)
        return self._sign_access(self._claims(authorization, lifetime), authorization, lifetime, "at+jwt")

    def _claims(self, authorization: Authorization, lifetime: float) -> dict[str, Any]:
        now = self.wall()
        return {
            "iss": self.url,
            "sub": authorization.subject,
            "aud": _one_or_list(authorization.audience),
            "client_id": authorization.client_id,
            "scope": authorization.scope,
            "jti": secrets.token_hex(16),
            "iat": math.floor(now),
            "exp": math.ceil(now + lifetime),
        }

    def _sign_access(self, claims: Mapping[str, Any], authorization: Authorization, lifetime: float, typ: str) -> str:
        signed = self.keys.sign(without_none(claims), typ=typ)
        return self.ledger.add_access(signed, authorization, lifetime)

    def _is_faulty(self, request: LoopbackRequest) -> bool:
        return self._name_of(request) in self.faulty

    def _name_of(self, request: LoopbackRequest) -> str:
        return self._endpoints[request.path][0] if request.path in self._endpoints else "other"

    def _record(self, request: LoopbackRequest) -> None:
        if self._name_of(request) == "token":
            self.token_requests.append(self._client_request(request).record(request))
        else:
            self.other_requests.append((request.method, request.path))

    def _client_request(self, request: LoopbackRequest) -> ClientRequest:
        return ClientRequest(request, form_encoded_basic=self.basic_form_encoded)

    def _answer(self, request: LoopbackRequest) -> LoopbackResponse:
        if not self._is_faulty(request):  # else it was recorded before any fault
            self._record(request)
        if request.path not in self._endpoints:
            return json_response({"error": "not_found"}, 404)
        try:
            return self._endpoints[request.path][1](request)
        except IssuerError as error:
            return error.response(request)

    def _metadata(self, kind: str) -> LoopbackResponse:
        if kind not in self.metadata_paths:
            return json_response({"error": "not_found"}, 404)
        return json_response(
            {
                "issuer": self.claimed_issuer or self.url,
                "token_endpoint": self.token_endpoint,
                "revocation_endpoint": self.revocation_endpoint,
                "introspection_endpoint": self.introspection_endpoint,
                "jwks_uri": self.jwks_uri,
                "grant_types_supported": list(ALL_GRANTS),
                "token_endpoint_auth_methods_supported": [
                    "client_secret_basic",
                    "client_secret_post",
                    "private_key_jwt",
                    "none",
                ],
                "scopes_supported": _SCOPE.split(),
                "response_types_supported": [],
            }
        )

    def _token(self, request: LoopbackRequest) -> LoopbackResponse:
        if request.method != "POST":
            return LoopbackResponse(405, headers=[("allow", "POST")])
        if (request.header("content-type") or "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            raise IssuerError("invalid_request")
        members = token_response_members(self, self._client_request(request))
        return json_response(members if self.shape is None else self.shape(members), 200, ("cache-control", "no-store"))

    def _revocation(self, request: LoopbackRequest) -> LoopbackResponse:
        if request.method != "POST":
            return LoopbackResponse(405, headers=[("allow", "POST")])
        sent = self._client_request(request)
        authenticate_client(self, sent)
        self.revoke(sent.value("token") or "")
        return LoopbackResponse(200)

    def _introspection(self, request: LoopbackRequest) -> LoopbackResponse:
        if request.method != "POST" or request.query:
            raise IssuerError("invalid_request")
        sent = self._client_request(request)
        client = authenticate_client(self, sent)
        if client.client_secret is None and client.keys is None:
            raise IssuerError("invalid_client", 401)
        members = self._introspected(sent.value("token") or "")
        return json_response(members if self.introspection_shape is None else self.introspection_shape(members))

    def _introspected(self, token: str) -> dict[str, Any]:
        known = self.ledger.access(token)
        if known is None:
            return {"active": False}
        return {
            "active": True,
            "iss": self.url,
            "sub": known.authorization.subject,
            "client_id": known.authorization.client_id,
            "scope": known.authorization.scope,
            "aud": _one_or_list(known.authorization.audience),
            "exp": int(self.wall() + known.expires - self.monotonic()),
            "token_type": "Bearer",
        }

    def __repr__(self) -> str:
        return f"Issuer({self.url}, {len(self.token_requests)} token requests)"


def _whole(seconds: float) -> int | float:
    return int(seconds) if float(seconds).is_integer() else round(seconds, 3)


def _one_or_list(audience: tuple[str, ...]) -> str | list[str]:
    return audience[0] if len(audience) == 1 else list(audience)
