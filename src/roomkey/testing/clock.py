"""A fake clock: it stands still until a test moves it."""

import threading


class FakeClock:
    """A :class:`roomkey.clock.Clock` that only moves by :meth:`advance` and :meth:`step_wall`.

    ``monotonic`` and ``wall`` are where the two clocks start, in seconds. Does no I/O; safe in any thread and loop.
    """

    __slots__ = ("_lock", "_monotonic", "_wall")

    def __init__(self, monotonic: float = 1000.0, wall: float = 1_700_000_000.0) -> None:
        self._lock = threading.Lock()
        self._monotonic = monotonic
        self._wall = wall

    def monotonic(self) -> float:
        """Seconds on the clock that never goes back."""
        return self._monotonic

    def wall(self) -> float:
        """Seconds since 1970 in UTC, as a machine with this clock has it."""
        return self._wall

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass on both clocks; raises ValueError for a negative number."""
        if seconds < 0:
            raise ValueError("time does not go back; step_wall() moves the wall clock alone")
        with self._lock:
            self._monotonic += seconds
            self._wall += seconds

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone, forwards or backwards, as NTP or an administrator would."""
        with self._lock:
            self._wall += seconds

    def __repr__(self) -> str:
        return f"FakeClock(monotonic={self._monotonic!r}, wall={self._wall!r})"
