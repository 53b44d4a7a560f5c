"""A real protected API on loopback, for tests: it checks tokens, refuses as RFC 6750 says, and remembers who came."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlencode

from roomkey.clock import Clock, SystemClock
from roomkey.errors import AccessError
from roomkey.integrations.protection import Protection
from roomkey.integrations.request_credentials import Presented, presented_proof
from roomkey.resource_server.requirements import Requirements
from roomkey.testing.faults import FaultyServer
from roomkey.testing.issuer import Issuer
from roomkey.testing.ledger import digest
from roomkey.testing.loopback import Answer, ReceivedRequest, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from roomkey.resource_server.validator import TokenValidator

_HIDDEN: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
_MOST_VERIFIED: Final = 10_000


@dataclass(frozen=True, slots=True)
class APIRequest:
    """One request to the API, as its records keep it: without the token that it carried.

    ``token_digest`` is the SHA-256 (hex) of the bearer token, or None where none came, ``body_digest`` that of the
    body. ``headers`` are (lower-case name, value) pairs without those that carry credentials; ``status`` is what was
    answered (0: nothing was), and ``arrived`` is ``time.monotonic()`` in seconds.
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
        """Whether a bearer token came with it."""
        return self.token_digest is not None

    def carried(self, token: str) -> bool:
        """Whether it came with exactly this token."""
        return self.token_digest == digest(token)


class ProtectedAPI(FaultyServer):
    """A resource server on 127.0.0.1 that takes the tokens of an :class:`Issuer`; a context manager.

    It looks tokens up in the issuer's own books, so that one that was revoked is refused at once. With a ``validator``
    that judges them instead, and what it refuses is answered as in any API that roomkey protects. With neither it is a
    foreign host: it takes every request, looks at no token, and records whether one came.

    Every path answers 200 with JSON (``method``, ``path``, ``subject``, ``client_id``, ``scope``, and ``username``
    where there is one) to a live token; these do more: ``/echo`` adds ``length`` and ``sha256`` of the body;
    ``/scoped/NAME`` wants the scope ``NAME``; ``/public`` wants no token; ``/redirect?to=URL&status=307`` sends
    elsewhere (to ``/landed`` by default), token or none; ``/drip?seconds=0.01`` sends its body byte by byte. The faults
    of the base class concern every path.
    The attributes below may be changed while it runs; safe in any thread.

    Attributes:
        reject_all: refuse every token, also good ones.
        rejects: says for a token whether to refuse it, or None.
        challenge: True for the ``WWW-Authenticate`` of RFC 6750, False for none, or the text to send instead.
        rejection_status: what a refused token is answered with: 401, or 403 as some APIs do.
        error_in_body: answer 200 with ``{"errors": [{"code": "TOKEN_EXPIRED"}]}`` in place of a refusal.
        forbid: answer a plain 403 (without a challenge) to every live token.
        required_scope: a scope that every path wants, or None.
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
        """``audience`` is what ``aud`` must contain, the issuer's own by default; ``clock`` is for one without issuer.

        A ``validator`` knows its audience itself.
        """
        wall = issuer.wall if issuer is not None else (clock or SystemClock()).wall
        super().__init__(self._answer, wall=wall, spoils=lambda _request: True, delay=delay)
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
        self._protection: Protection[ReceivedRequest] | None = None if validator is None else Protection(validator)
        self._verified: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._verified_lock = threading.Lock()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``, without a slash at the end."""
        return self.origin

    def _answered(self, request: ReceivedRequest, answer: Answer | None) -> None:
        token = _bearer(request)
        self.requests.append(
            APIRequest(
                request.method,
                request.path,
                request.query,
                tuple((name, value) for name, value in request.headers if name not in _HIDDEN),
                None if token is None else digest(token),
                len(request.body),
                hashlib.sha256(request.body).hexdigest(),
                0 if answer is None else answer.status,
                request.arrived,
            )
        )

    def _answer(self, request: ReceivedRequest) -> Answer:
        if request.path == "/redirect":
            return Answer(
                int(request.parameter("status") or 307), b"", [("location", request.parameter("to") or "/landed")]
            )
        admitted = self._admitted(request)
        if isinstance(admitted, Answer):
            return admitted
        members = {"method": request.method, "path": request.path}
        members |= {name: admitted[claim] for name, claim in _SHOWN if claim in admitted}
        if request.path == "/echo":
            return json_answer(
                {**members, "length": len(request.body), "sha256": hashlib.sha256(request.body).hexdigest()}
            )
        answer = json_answer(members)
        if request.path == "/drip":
            return Answer(200, answer.body, answer.headers, drip=float(request.parameter("seconds") or 0.01))
        return answer

    def _admitted(self, request: ReceivedRequest) -> "Mapping[str, Any] | Answer":
        """The claims of a request's token, where it needs one; or how it is refused."""
        judged = self.issuer is not None or self._protection is not None or self.reject_all
        if request.path == "/public" or not judged:
            return {}
        wanted = None if self.forbid else self.required_scope or _scope_of(request.path)
        token = _bearer(request)
        rejected = self.reject_all or (token is not None and self.rejects is not None and self.rejects(token))
        if self._protection is not None and not rejected:
            claims = _validated(self._protection, request, wanted)
        else:
            claims = self._looked_up(None if rejected else token, wanted, had_token=token is not None)
        if self.forbid and not isinstance(claims, Answer):
            return json_answer({"error": "forbidden"}, 403)
        return claims

    def _looked_up(self, token: str | None, wanted: str | None, *, had_token: bool) -> dict[str, Any] | Answer:
        known = None if token is None else self._claims(token)
        if known is None:
            return self._refusal(had_token=had_token)
        if wanted is not None and wanted not in str(known.get("scope", "")).split():
            challenge = f'Bearer error="insufficient_scope", scope="{wanted}"'
            return json_answer({"error": "insufficient_scope"}, 403, ("www-authenticate", challenge))
        return known

    def _claims(self, token: str) -> dict[str, Any] | None:
        """What the books say of ``token`` where the API takes it, else None."""
        issuer = self.issuer
        if issuer is None:
            return None
        held = issuer.ledger.access(token)
        if held is None:
            return None
        grant = held.grant
        if token.count(".") != 2:
            known = {"sub": grant.subject, "client_id": grant.client_id, "scope": grant.scope}
            return known if (self.audience or issuer.audience) in grant.audience else None
        verified = self._verified_claims(token)
        if verified is None or verified.get("iss") != issuer.url or not verified.get("exp", 0) > self.wall():
            return None
        audience = verified.get("aud")
        names = audience if isinstance(audience, list) else [audience]
        return verified if (self.audience or issuer.audience) in names else None

    def _verified_claims(self, token: str) -> dict[str, Any] | None:
        """The signature is checked once per token: a benchmark must not measure this server's arithmetic."""
        key = digest(token)
        claims = self._verified.get(key)
        if claims is None and self.issuer is not None and (claims := self.issuer.keys.claims(token)) is not None:
            with self._verified_lock:
                self._verified[key] = claims
                while len(self._verified) > _MOST_VERIFIED:
                    self._verified.popitem(last=False)
        return claims

    def _refusal(self, *, had_token: bool) -> Answer:
        if self.error_in_body:
            return json_answer({"errors": [{"code": "TOKEN_EXPIRED", "message": "the session has ended"}]})
        headers: tuple[tuple[str, str], ...] = ()
        if self.challenge is True:  # RFC 6750 section 3.1: no error code where no token came
            headers = (("www-authenticate", 'Bearer realm="api"' + (', error="invalid_token"' if had_token else "")),)
        elif self.challenge:
            headers = (("www-authenticate", self.challenge),)
        return json_answer({"error": "unauthorized"}, self.rejection_status, *headers)

    def __repr__(self) -> str:
        return f"ProtectedAPI({self.url}, {len(self.requests)} requests)"


def _validated(
    protection: Protection[ReceivedRequest], request: ReceivedRequest, wanted: str | None
) -> "Mapping[str, Any] | Answer":
    named = {
        wanted: [value for name, value in request.headers if name == wanted] for wanted in ("authorization", "dpop")
    }
    requirements = Requirements(scopes=() if wanted is None else (wanted,))
    proof = presented_proof({}, named["dpop"], method=request.method, path=unquote(request.path))
    presented = Presented(named["authorization"], urlencode(request.query), proof=proof)
    outcome = protection.judge(request, presented, requirements)
    if not isinstance(outcome, AccessError):
        return outcome
    refusal = protection.answer(outcome)
    return Answer(refusal.status, refusal.body, refusal.headers)


_SHOWN: Final = (("subject", "sub"), ("username", "username"), ("client_id", "client_id"), ("scope", "scope"))


def _bearer(request: ReceivedRequest) -> str | None:
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _scope_of(path: str) -> str | None:
    return path.removeprefix("/scoped/") if path.startswith("/scoped/") else None
