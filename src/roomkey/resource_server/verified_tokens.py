"""Tokens that were verified before, known again by the SHA-256 of all their bytes (DESIGN 10).

To know a token again takes a hash, a look-up, a look at the clock and one at the key set: no lock, no I/O. That rests
on dict operations being atomic in CPython; changes are made under a lock.
"""

import hashlib
import threading
from typing import final

from roomkey.concurrency.fork import Forkable, tell_of_forks
from roomkey.jose.claims import Life
from roomkey.jose.compact import LARGEST_TOKEN
from roomkey.jose.verification_key import VerificationKey
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.issuer import JudgingIssuer
from roomkey.resource_server.revocation import Standing
from roomkey.resource_server.sender_constraint import Confirmation
from roomkey.secret import Confidential

_sha256 = hashlib.sha256


@final
class VerifiedToken(Confidential):
    """A token whose signature and claims were good, without the token itself.

    Attributes:
        claims: what it says.
        begins: the second since 1970 before which it is not good yet, leeway included: a clock may be set back.
        ends: the second since 1970 from which on it is good no more, leeway included.
        confirmation: the key or certificate that it is bound to, or None for a bearer token.
        standing: how it stands with the lists of revoked tokens, or None where none is about it.
        issuer: who gave it out.
    """

    __slots__ = ("_asked", "_holds", "_key", "begins", "claims", "confirmation", "ends", "issuer", "standing")

    def __init__(
        self,
        claims: Claims,
        life: Life,
        key: VerificationKey,
        confirmation: Confirmation | None,
        standing: Standing | None,
        issuer: JudgingIssuer,
    ) -> None:
        """``key`` is the one that signed it."""
        self.claims = claims
        self.begins, self.ends = life
        self.confirmation = confirmation
        self.standing = standing
        self.issuer = issuer
        self._key = key
        self._holds = issuer.keys.holds
        self._asked = issuer.always_asked

    def signed(self, now: float) -> bool:
        """True where ``now`` (seconds since 1970) lies in its life, and its key is in use; never blocks."""
        return self.begins <= now < self.ends and self._holds(self._key)

    def good(self, now: float) -> bool:
        """True where it is good at ``now`` in anybody's hands, without another look; never blocks."""
        return (
            self.begins <= now < self.ends
            and self._holds(self._key)
            and (self.standing is None or self.standing.good())
            and self.confirmation is None
            and not self._asked
        )

    def __repr__(self) -> str:
        return f"VerifiedToken({self.claims!r})"


@final
class VerifiedTokens(Forkable):
    """At most ``most`` verified tokens; the oldest goes first. Safe in any thread and after a fork."""

    __slots__ = ("_find", "_known", "_lock", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()  # guards changes of _known
        self._known: dict[bytes, VerifiedToken] = {}
        self._find = self._known.get
        tell_of_forks(self)

    def find(self, token: str) -> tuple[bytes, VerifiedToken | None]:
        """The mark of ``token``, and what is known of it, good or not, or None; takes anything."""
        if type(token) is not str or len(token) > LARGEST_TOKEN or not token.isascii():
            return b"", None
        mark = _sha256(token.encode()).digest()
        return mark, self._find(mark)

    def keep(self, mark: bytes, verified: VerifiedToken, now: float) -> None:
        """Know the token with this mark again; those that have ended by ``now`` make room, then the oldest."""
        if self._most < 1 or not mark:
            return
        with self._lock:
            if len(self._known) >= self._most and mark not in self._known:
                self._make_room(now)
            self._known[mark] = verified

    def __len__(self) -> int:
        return len(self._known)

    def _make_room(self, now: float) -> None:
        # A whole sweep costs as much as it drops entries, but for at most one in 16 insertions it finds none.
        for key in [key for key, verified in self._known.items() if now >= verified.ends]:
            del self._known[key]
        while len(self._known) >= self._most:
            for key in list(self._known)[: max(1, self._most // 16)]:
                del self._known[key]

    def after_fork_in_child(self) -> None:
        """Make the lock anew; what is known stays known."""
        self._lock = threading.Lock()
