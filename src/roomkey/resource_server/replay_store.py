"""The replay store of DPoP proofs: each proof is accepted once (RFC 9449 section 11.1)."""

import heapq
import threading
from typing import Final, Protocol, final

from roomkey.concurrency.fork import Forkable, forkables
from roomkey.errors import StoreUnavailable

_MOST: Final = 100_000
_FORGOTTEN_PER_CALL: Final = 16


class ReplayStore(Protocol):
    """Where used proofs are kept; one that several processes share is passed as ``DPoP(replays=...)``.

    A shared one is called on a thread of its own and may block for as long as ``DPoP`` allows.
    """

    def spend(self, mark: bytes, *, until: float, now: float) -> bool:
        """Return True for the one caller that is first with this ``mark`` (32 bytes), in one atomic step; else False.

        It must be kept until ``until``, for ``until - now`` seconds more; both are in seconds since 1970. Any
        exception, such as StoreUnavailable, rejects the request with 503.
        """


@final
class MemoryReplayStore(Forkable):
    """The used proofs of this process, at most ``most``; a full one rejects new proofs until old ones have expired.

    About 200 bytes for each. It answers at once; safe in any thread and event loop, and after a fork, where each
    process goes on with a store of its own.
    """

    __slots__ = ("_ends", "_forgotten", "_known", "_lock", "_most")

    def __init__(self, *, most: int = _MOST) -> None:
        if most < 1:
            raise ValueError("most= must be 1 or more: a store that keeps nothing would reject every proof")
        self._most = most
        self._lock = threading.Lock()  # guards what follows
        self._known: set[bytes] = set()
        self._ends: list[tuple[float, bytes]] = []
        self._forgotten = 0.0
        forkables[id(self)] = self

    def spend(self, mark: bytes, *, until: float, now: float) -> bool:
        """See ``ReplayStore``; raises StoreUnavailable where it is full."""
        with self._lock:
            self._forget(now)
            # Where the clock was set back, a forgotten proof may come again.
            if mark in self._known or until <= self._forgotten:
                return False
            if len(self._known) >= self._most:
                raise StoreUnavailable(f"{self._most} DPoP proofs are in use; MemoryReplayStore(most=...) takes more.")
            self._known.add(mark)
            heapq.heappush(self._ends, (until, mark))
            return True

    def _forget(self, now: float) -> None:
        """Forget a few that have expired: more than come in, and never so many that a caller waits for it."""
        for _ in range(_FORGOTTEN_PER_CALL):
            if not self._ends or self._ends[0][0] > now:
                return
            self._forgotten, mark = heapq.heappop(self._ends)
            self._known.discard(mark)

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        return f"MemoryReplayStore({len(self._known)} of {self._most})"

    def after_fork_in_child(self) -> None:
        """Replace the lock; the proofs stay."""
        self._lock = threading.Lock()
