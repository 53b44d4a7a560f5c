"""The revocation lists of a test issuer: a Token Status List, and a deny list."""

import threading
import zlib
from typing import Any

from roomkey.jose import base64url
from roomkey.jose.compact import read_unverified
from roomkey.testing import Issuer, LoopbackRequest, LoopbackResponse


class PublishedLists:
    """The lists of one issuer, made from its ledger at each request. Safe in any thread.

    Attributes:
        bits: how many bits a status has: 1, 2, 4 or 8.
        lifetime: seconds that a list may be used (``exp``), or None for no end.
        ttl: seconds after which to look again, or None.
        suspended: indexes whose status is 2, where there are bits for it.
        etag: sent where it is set, and answered with 304 where it is sent back.
    """

    def __init__(self, issuer: Issuer) -> None:
        self.bits = 1
        self.lifetime: float | None = 300.0
        self.ttl: float | None = None
        self.suspended: set[int] = set()
        self.etag: str | None = None
        self._issuer = issuer
        self._lock = threading.Lock()
        self._holders: list[str | None] = []

    @property
    def status_list_uri(self) -> str:
        """Where the status list is."""
        return self._issuer.url + "/oauth2/status-list"

    @property
    def deny_list_url(self) -> str:
        """Where the deny list is."""
        return self._issuer.url + "/oauth2/deny-list"

    def reserve(self) -> dict[str, Any]:
        """Reserve an index of the status list: the ``status`` claim for the token that :meth:`hold` is then given."""
        with self._lock:
            self._holders.append(None)
            return {"status_list": {"idx": len(self._holders) - 1, "uri": self.status_list_uri}}

    def hold(self, status: dict[str, Any], token: str) -> None:
        """Give a reserved index to its token."""
        self._holders[status["status_list"]["idx"]] = token

    def statuses(self) -> bytes:
        """The packed statuses as they are now."""
        per_byte = 8 // self.bits
        packed = bytearray(max(1, -(-len(self._holders) // per_byte)))
        for index, token in enumerate(self._holders):
            revoked = token is not None and not self._issuer.is_live(token)
            status = 2 if index in self.suspended else int(revoked)
            packed[index // per_byte] |= status << (index % per_byte * self.bits)
        return bytes(packed)

    def status_list(self) -> str:
        """The status list as a signed token."""
        lst = base64url.encode(zlib.compress(self.statuses(), 9)).decode()
        claims = {"sub": self.status_list_uri, "status_list": {"bits": self.bits, "lst": lst}}
        return self._issuer.keys.sign(self._dated(claims), typ="statuslist+jwt")

    def deny_list(self) -> str:
        """The deny list as a signed token."""
        revoked = (read_unverified(token) for token in self._issuer.ledger.revoked_access())
        named = {one.claims["jti"]: one.claims["exp"] for one in revoked if one is not None and "jti" in one.claims}
        return self._issuer.keys.sign(self._dated({"iss": self._issuer.url, "jti": named}), typ="denylist+jwt")

    def answer_status_list(self, request: LoopbackRequest) -> LoopbackResponse:
        return self._answer(request, self.status_list(), "application/statuslist+jwt")

    def answer_deny_list(self, request: LoopbackRequest) -> LoopbackResponse:
        return self._answer(request, self.deny_list(), "application/denylist+jwt")

    def _answer(self, request: LoopbackRequest, token: str, media_type: str) -> LoopbackResponse:
        headers = [] if self.etag is None else [("etag", self.etag)]
        if self.etag is not None and request.header("if-none-match") == self.etag:
            return LoopbackResponse(304, headers=headers)
        return LoopbackResponse(200, token.encode(), [("content-type", media_type), *headers])

    def _dated(self, claims: dict[str, Any]) -> dict[str, Any]:
        now = int(self._issuer.wall())
        dates = {"iat": now, "exp": None if self.lifetime is None else now + self.lifetime, "ttl": self.ttl}
        return claims | {name: value for name, value in dates.items() if value is not None}

    def __repr__(self) -> str:
        return f"PublishedLists({len(self._holders)} statuses)"
