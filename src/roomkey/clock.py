"""Time as a value that is passed in: monotonic for deadlines, wall clock for what is written down."""

import functools
import time
from typing import Protocol

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """The two clocks that roomkey uses; both return seconds and never block."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back, whatever is done to the date."""

    def wall(self) -> float:
        """Seconds since 1970 in UTC, as this machine believes it to be."""


class SystemClock:
    """The machine's clocks; the monotonic one keeps counting while a laptop sleeps, where the system can do that.

    Safe in any thread and event loop.
    """

    __slots__ = ()

    # Called before every request that carries a token, so each is the C function itself and not a method around it.
    monotonic = staticmethod(time.monotonic if _BOOTTIME is None else functools.partial(time.clock_gettime, _BOOTTIME))
    wall = staticmethod(time.time)
