"""Single flight: one job for all who wait for it (threads, asyncio and trio tasks alike), and the threads that run it.

Worker threads are daemons: started when there is work, ended when there is none, never in the way of an exit.
"""

import sys
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from roomkey.concurrency.steps import Wait

Result = TypeVar("Result")

_MOST_THREADS: Final = 32
_IDLE_SECONDS: Final = 5.0
_thread = threading.local()


def in_worker() -> bool:
    """True in a thread that is running somebody's job; such a thread must not wait for a free worker."""
    return getattr(_thread, "working", False)


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
            threading.Thread(target=self._run_jobs, name="roomkey", daemon=True).start()
        except RuntimeError:  # no thread is available: the interpreter is ending, or the system's limit is reached
            with self._ready:
                self._threads -= 1
                if self._threads == 0 and job in self._jobs:
                    del self._jobs[job]
            return False
        return True

    def _run_jobs(self) -> None:
        _thread.working = True
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


class Flight(Generic[Result]):
    """A job that runs once, wherever it is claimed first, and a result that any number of callers wait for.

    It belongs to none of them: a caller that is cancelled, times out or closes its event loop leaves it flying.
    Safe in any thread and event loop.
    """

    __slots__ = ("_claimed", "_done", "_job", "_lock", "_result", "_runner", "_wakers", "awaited")

    def __init__(self, job: Callable[[], Result]) -> None:
        """Make a flight of ``job``, which raises only where its thread is interrupted."""
        # _lock guards _claimed, _runner, _result and _wakers.
        self._lock = threading.Lock()
        self._job: Callable[[], Result] | None = job
        self._claimed = False
        self._runner = 0
        self._result: Result | None = None
        self._done = threading.Event()
        self._wakers: dict[object, Callable[[], None]] = {}
        self.awaited = False
        """True where no thread does the job, so that a caller who waits does it."""

    def start(self, workers: Workers) -> None:
        """Have one of ``workers`` do the job; where none is available now, a later call tries again."""
        self.awaited = not workers.submit(self.run)

    def run(self) -> None:
        """Do the job in this thread, unless another thread has begun it."""
        with self._lock:
            if self._claimed:
                return
            self._claimed, self._runner = True, threading.get_ident()
            job, self._job = self._job, None
        assert job is not None  # noqa: S101 - set until claimed
        try:
            result = job()
        except BaseException:
            with self._lock:  # an interrupted thread leaves the job to the next one
                self._claimed, self._job, self.awaited = False, job, True
            raise
        with self._lock:
            self._result = result
            self._done.set()
            wakers = list(self._wakers.values())
            self._wakers.clear()
        for wake in wakers:
            wake()

    @property
    def done(self) -> bool:
        """True when the result is there."""
        return self._done.is_set()

    def wait(self, seconds: float) -> Result | None:
        """Block for at most ``seconds``; the result, or None when the time is over.

        None at once in the thread that does the job: a secret or a log that needs the very token it helps to get.
        """
        itself = self._runner == threading.get_ident()
        return self._result if self._done.wait(0.0 if itself else seconds) else None

    async def wait_async(self, seconds: float) -> Result | None:
        """Wait on asyncio or trio, without a thread, for at most ``seconds``; the result, or None."""
        if not self._done.is_set():
            await (self._wait_trio(seconds) if _in_trio() else self._wait_asyncio(seconds))
        return self._result

    def within(self, seconds: float, *, lend: bool = True) -> Wait[Result | None]:
        """A wait of at most ``seconds`` for the result, which is None when the time is over; for ``run`` and ``arun``.

        ``lend`` lets a thread that blocks do a job for which no worker was found, which may take longer than that.
        """

        def block() -> Result | None:
            # A worker must not wait for a free worker, and a caller with time has a thread of its own to lend.
            if (self.awaited and lend) or in_worker():
                self.run()
            return self.wait(seconds)

        return Wait(block, lambda: self.wait_async(seconds))

    async def _wait_asyncio(self, seconds: float) -> None:
        import asyncio  # a seventh of the import time of all roomkey, and needless to a program without an event loop

        loop = asyncio.get_running_loop()
        finished: asyncio.Future[None] = loop.create_future()

        def settle() -> None:
            if not finished.done():
                finished.set_result(None)

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(settle)
            except RuntimeError:  # that loop was closed, so nobody waits there any more
                return

        if self._wake_with(wake):
            try:
                await asyncio.wait({finished}, timeout=seconds)
            finally:
                self._forget(wake)

    async def _wait_trio(self, seconds: float) -> None:
        import trio  # only ever reached inside a trio task

        token = trio.lowlevel.current_trio_token()
        finished = trio.Event()

        def wake() -> None:
            try:
                token.run_sync_soon(finished.set)
            except trio.RunFinishedError:  # that run has ended, so nobody waits there any more
                return

        if self._wake_with(wake):
            try:
                with trio.move_on_after(seconds):
                    await finished.wait()
            finally:
                self._forget(wake)

    def _wake_with(self, wake: Callable[[], None]) -> bool:
        with self._lock:
            if self._done.is_set():
                return False
            self._wakers[wake] = wake
            return True

    def _forget(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._wakers.pop(wake, None)


def _in_trio() -> bool:
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_task())
