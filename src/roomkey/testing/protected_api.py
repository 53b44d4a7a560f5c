"""A protected API on loopback, for tests: it checks tokens, rejects as RFC 6750 says, and records its requests."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlencode

from roomkey.clock import Clock, SystemClock
from roomkey.errors import AccessError
from roomkey.integrations.protection import Protection
from roomkey.integrations.request_credentials import RequestCredentials, dpop_request
from roomkey.resource_server.requirements import Requirements
from roomkey.testing.faults import FaultyServer
from roomkey.testing.issuer import Issuer
from roomkey.testing.ledger import digest
from roomkey.testing.loopback import LoopbackRequest, LoopbackResponse, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from roomkey.resource_server.validator import TokenValidator

_CREDENTIALS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
_MEMBERS: Final = (("subject", "sub"), ("username", "username"), ("client_id", "client_id"), ("scope", "scope"))


@dataclass(frozen=True, slots=True)
class APIRequest:
    """A request to the API, as it is recorded: without the token that it carried.

    ``token_digest`` is the SHA-256 (hex) of the bearer token, or None where none came, ``body_digest`` that of the
    body. ``headers`` are (lower-case name, value) pairs without those that carry credentials; ``status`` is that of the
    response (0: there was none), and ``arrived`` is ``time.monotonic()`` in seconds.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    token_digest: str | None
    body_length: int
    body_digest: str
    status: int
    arrived: float

    @property
    def had_token(self) -> bool:
        """Whether it carried a bearer token."""
        return self.token_digest is not None

    def carried(self, token: str) -> bool:
        """Tell whether it carried exactly this token."""
        return self.token_digest == digest(token)


class ProtectedAPI(FaultyServer):
    """A resource server on 127.0.0.1 that accepts the tokens of an :class:`Issuer`; a context manager.

    It looks tokens up in the issuer's memory, so that a revoked one is rejected at once. With a ``validator`` that
    validates them instead, and its rejections are sent as by any API that roomkey protects. With neither it stands for
    a foreign host: it answers every request, looks at no token, and records whether one came.

    Every path answers 200 with JSON (``method``, ``path``, ``subject``, ``client_id``, ``scope``, and ``username``
    where there is one) to a valid token; these do more: ``/echo`` adds ``length`` and ``sha256`` of the body;
    ``/scoped/NAME`` requires the scope ``NAME``; ``/public`` requires no token; ``/redirect?to=URL&status=307``
    redirects (to ``/landed`` by default), token or none; ``/drip?seconds=0.01`` sends its body byte by byte. The faults
    of the base class affect every path. The attributes below may be changed while it runs; safe in any thread.

    Attributes:
        reject_all: reject every token, also valid ones.
        rejects: decides for a token whether to reject it, or None.
        challenge: True for the ``WWW-Authenticate`` of RFC 6750, False for none, or the value to send instead.
        rejection_status: the status for a rejected token: 401, or 403 as some APIs use.
        error_in_body: answer 200 with ``{"errors": [{"code": "TOKEN_EXPIRED"}]}`` instead of rejecting.
        forbid: answer a plain 403 (without a challenge) to every valid token.
        required_scope: a scope that every path requires, or None.
        requests: every request so far that was answered, as :class:`APIRequest` values.
    """

    def __init__(
        self,
        issuer: Issuer | None = None,
        *,
        audience: str | None = None,
        validator: "TokenValidator | None" = None,
        delay: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        """``audience`` must be in ``aud``, by default the issuer's own; ``clock`` is for one without issuer.

        A ``validator`` has its own audience.
        """
        wall = issuer.wall if issuer is not None else (clock or SystemClock()).wall
        super().__init__(self._answer, wall=wall, delay=delay)
        self.issuer = issuer
        self.audience = audience
        self.reject_all = False
        self.rejects: Callable[[str], bool] | None = None
        self.challenge: bool | str = True
        self.rejection_status = 401
        self.error_in_body = False
        self.forbid = False
        self.required_scope: str | None = None
        self.requests: list[APIRequest] = []
        self._protection: Protection[LoopbackRequest] | None = None if validator is None else Protection(validator)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``, without a slash at the end."""
        return self.origin

    def _record_response(self, request: LoopbackRequest, response: LoopbackResponse | None) -> None:
        token = _bearer(request)
        self.requests.append(
            APIRequest(
                request.method,
                request.path,
                request.query,
                tuple((name, value) for name, value in request.headers if name not in _CREDENTIALS),
                None if token is None else digest(token),
                len(request.body),
                hashlib.sha256(request.body).hexdigest(),
                0 if response is None else response.status,
                request.arrived,
            )
        )

    def _answer(self, request: LoopbackRequest) -> LoopbackResponse:
        if request.path == "/redirect":
            location = request.parameter("to") or "/landed"
            return LoopbackResponse(int(request.parameter("status") or 307), headers=[("location", location)])
        claims = self._admit(request)
        if isinstance(claims, LoopbackResponse):
            return claims
        members = {"method": request.method, "path": request.path}
        members |= {name: claims[claim] for name, claim in _MEMBERS if claim in claims}
        if request.path == "/echo":
            digested = hashlib.sha256(request.body).hexdigest()
            return json_response({**members, "length": len(request.body), "sha256": digested})
        response = json_response(members)
        if request.path == "/drip":
            return LoopbackResponse(200, response.body, response.headers, float(request.parameter("seconds") or 0.01))
        return response

    def _admit(self, request: LoopbackRequest) -> "Mapping[str, Any] | LoopbackResponse":
        """The claims of a request's token, none where it needs no token; or the rejection."""
        open_to_all = self.issuer is None and self._protection is None and not self.reject_all
        if request.path == "/public" or open_to_all:
            return {}
        scope = None if self.forbid else self.required_scope or _scope_of(request.path)
        token = _bearer(request)
        rejected = self.reject_all or (token is not None and self.rejects is not None and self.rejects(token))
        if self._protection is not None and not rejected:
            claims = _validate(self._protection, request, scope)
        else:
            claims = self._look_up(None if rejected else token, scope, had_token=token is not None)
        if self.forbid and not isinstance(claims, LoopbackResponse):
            return json_response({"error": "forbidden"}, 403)
        return claims

    def _look_up(self, token: str | None, scope: str | None, *, had_token: bool) -> dict[str, Any] | LoopbackResponse:
        claims = None if token is None else self._claims(token)
        if claims is None:
            return self._rejection(had_token=had_token)
        if scope is not None and scope not in str(claims.get("scope", "")).split():
            challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
            return json_response({"error": "insufficient_scope"}, 403, ("www-authenticate", challenge))
        return claims

    def _claims(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that the issuer issued for this API and that is valid, else None."""
        issuer = self.issuer
        known = None if issuer is None else issuer.ledger.access(token)
        if issuer is None or known is None:
            return None
        given, audience = known.authorization, self.audience or issuer.audience
        if token.count(".") != 2:
            claims = {"sub": given.subject, "client_id": given.client_id, "scope": given.scope}
            return claims if audience in given.audience else None
        signed = issuer.keys.claims(token)
        if signed is None or signed.get("iss") != issuer.url or not signed.get("exp", 0) > self.wall():
            return None
        named = signed.get("aud")
        return signed if audience in (named if isinstance(named, list) else [named]) else None

    def _rejection(self, *, had_token: bool) -> LoopbackResponse:
        if self.error_in_body:
            return json_response({"errors": [{"code": "TOKEN_EXPIRED", "message": "the session has expired"}]})
        headers: tuple[tuple[str, str], ...] = ()
        if self.challenge is True:  # RFC 6750 section 3.1: no error code where no token came
            headers = (("www-authenticate", 'Bearer realm="api"' + (', error="invalid_token"' if had_token else "")),)
        elif self.challenge:
            headers = (("www-authenticate", self.challenge),)
        return json_response({"error": "unauthorized"}, self.rejection_status, *headers)

    def __repr__(self) -> str:
        return f"ProtectedAPI({self.url}, {len(self.requests)} requests)"


def _validate(
    protection: Protection[LoopbackRequest], request: LoopbackRequest, scope: str | None
) -> "Mapping[str, Any] | LoopbackResponse":
    named = {
        wanted: [value for name, value in request.headers if name == wanted] for wanted in ("authorization", "dpop")
    }
    requirements = Requirements(scopes=() if scope is None else (scope,))
    proof = dpop_request({}, named["dpop"], method=request.method, path=unquote(request.path))
    credentials = RequestCredentials(named["authorization"], urlencode(request.query), proof=proof)
    outcome = protection.authorize(request, credentials, requirements)
    if not isinstance(outcome, AccessError):
        return outcome
    rejection = protection.response(outcome)
    return LoopbackResponse(rejection.status, rejection.body, rejection.headers)


def _bearer(request: LoopbackRequest) -> str | None:
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _scope_of(path: str) -> str | None:
    return path.removeprefix("/scoped/") if path.startswith("/scoped/") else None
