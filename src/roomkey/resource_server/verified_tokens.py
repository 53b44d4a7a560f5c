"""A cache of verified tokens, by the SHA-256 of all their bytes.

A hit takes a hash, a dict access, a comparison with the clock and one with the key set: no lock, no I/O. That rests on
dict operations being atomic in CPython; changes are made under a lock.
"""

import hashlib
import threading
from typing import final

from roomkey.concurrency.fork import Forkable, forkables
from roomkey.jose.claims import Validity
from roomkey.jose.compact import LARGEST_TOKEN
from roomkey.jose.verification_key import VerificationKey
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.issuer import ConfiguredIssuer
from roomkey.resource_server.revocation import RevocationStatus
from roomkey.resource_server.sender_constraint import TokenConfirmation
from roomkey.secret import Confidential

_sha256 = hashlib.sha256


@final
class VerifiedToken(Confidential):
    """A token whose signature and claims were verified, without the token itself.

    Attributes:
        claims: its claims.
        not_before: the second since 1970 from which on it is valid, leeway included: a clock may be set back.
        expires: the second since 1970 from which on it is expired, leeway included.
        confirmations: what its sender must prove; empty for a bearer token.
        revocation: its status in the revocation lists, or None where none applies to it.
        issuer: its issuer.
    """

    __slots__ = (
        "_holds",
        "_key",
        "_needs_more",
        "claims",
        "confirmations",
        "expires",
        "issuer",
        "not_before",
        "revocation",
    )

    def __init__(
        self,
        claims: Claims,
        validity: Validity,
        key: VerificationKey,
        confirmations: tuple[TokenConfirmation, ...],
        revocation: RevocationStatus | None,
        issuer: ConfiguredIssuer,
    ) -> None:
        """``key`` is the one that signed it."""
        self.claims = claims
        self.not_before, self.expires = validity
        self.confirmations = confirmations
        self.revocation = revocation
        self.issuer = issuer
        self._key = key
        self._holds = issuer.keys.holds
        self._needs_more = bool(confirmations) or issuer.always_introspects

    def is_current(self, now: float) -> bool:
        """Return True where ``now`` (seconds since 1970) lies in its validity and its key is in use; never blocks."""
        return self.not_before <= now < self.expires and self._holds(self._key)

    def is_valid(self, now: float) -> bool:
        """Return True where it is valid at ``now`` for any sender, without another check; never blocks."""
        return (
            self.not_before <= now < self.expires
            and self._holds(self._key)
            and (self.revocation is None or self.revocation.is_valid())
            and not self._needs_more
        )

    def __repr__(self) -> str:
        return f"VerifiedToken({self.claims!r})"


@final
class VerifiedTokens(Forkable):
    """At most ``most`` verified tokens; the oldest goes first. Safe in any thread and after a fork."""

    __slots__ = ("_find", "_lock", "_most", "_tokens")

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()  # guards changes of _tokens
        self._tokens: dict[bytes, VerifiedToken] = {}
        self._find = self._tokens.get
        forkables[id(self)] = self

    def find(self, token: str) -> tuple[bytes, VerifiedToken | None]:
        """Return the digest of ``token``, and what is known of it, valid or not, or None; accepts anything."""
        if type(token) is not str or len(token) > LARGEST_TOKEN or not token.isascii():
            return b"", None
        digest = _sha256(token.encode()).digest()
        return digest, self._find(digest)

    def keep(self, digest: bytes, verified: VerifiedToken, now: float) -> None:
        """Keep the token with this digest; those that are expired at ``now`` make room, then the oldest."""
        if self._most < 1 or not digest:
            return
        with self._lock:
            if len(self._tokens) >= self._most and digest not in self._tokens:
                self._make_room(now)
            self._tokens[digest] = verified

    def __len__(self) -> int:
        return len(self._tokens)

    def _make_room(self, now: float) -> None:
        # A whole sweep costs as much as it drops entries, but for at most one in 16 insertions it finds none.
        for key in [key for key, verified in self._tokens.items() if now >= verified.expires]:
            del self._tokens[key]
        while len(self._tokens) >= self._most:
            for key in list(self._tokens)[: max(1, self._most // 16)]:
                del self._tokens[key]

    def after_fork_in_child(self) -> None:
        """Replace the lock; the tokens stay."""
        self._lock = threading.Lock()
