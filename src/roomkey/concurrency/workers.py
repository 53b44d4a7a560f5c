"""Daemon threads that get tokens: started when there is work, ended when there is none, never in the way of an exit."""

import threading
from collections.abc import Callable
from typing import Final

_MOST_THREADS: Final = 32
_IDLE_SECONDS: Final = 5.0
_place = threading.local()


def in_worker() -> bool:
    """True in a thread that is running somebody's job; such a thread must not wait for a free worker."""
    return getattr(_place, "working", False)


class Workers:
    """Runs jobs on at most 32 threads; jobs must not raise. Safe in any thread; ``submit`` never blocks."""

    __slots__ = ("_idle", "_jobs", "_ready", "_threads")

    def __init__(self) -> None:
        # _ready guards the three below it.
        self._ready = threading.Condition()
        self._jobs: dict[Callable[[], None], None] = {}
        self._threads = 0
        self._idle = 0

    def submit(self, job: Callable[[], None]) -> bool:
        """Run ``job`` soon; False when no thread is free to begin it now, so that a waiting caller may do it.

        A job that waits already is not taken twice.
        """
        with self._ready:
            self._jobs[job] = None
            if self._idle >= len(self._jobs):
                self._ready.notify()
                return True
            if self._threads >= _MOST_THREADS:
                return False
            self._threads += 1
        try:
            threading.Thread(target=self._work, name="roomkey", daemon=True).start()
        except RuntimeError:  # no thread to be had: the interpreter is ending, or the system's limit is reached
            with self._ready:
                self._threads -= 1
                if self._threads == 0 and job in self._jobs:
                    del self._jobs[job]
            return False
        return True

    def _work(self) -> None:
        _place.working = True
        while True:
            with self._ready:
                self._idle += 1
                woken = self._ready.wait_for(lambda: bool(self._jobs), timeout=_IDLE_SECONDS)
                self._idle -= 1
                if not woken:
                    self._threads -= 1
                    return
                job = next(iter(self._jobs))
                del self._jobs[job]
            try:
                job()
            except BaseException:
                with self._ready:
                    self._threads -= 1
                raise
            del job
