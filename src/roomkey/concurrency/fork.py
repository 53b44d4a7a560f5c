"""Hooks around a fork: locks and connections do not survive one."""

import os
from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary


class Forkable:
    """Something with a lock or a connection; none of the three methods may raise or wait without a limit."""

    __slots__ = ("__weakref__",)

    def before_fork(self) -> None:
        """Called in the thread that forks, just before it does."""

    def after_fork_in_parent(self) -> None:
        """Called in the parent, just after."""

    def after_fork_in_child(self) -> None:
        """Called in the child, where the thread that forked is the only one left."""


forkables: Final[WeakValueDictionary[int, Forkable]] = WeakValueDictionary()
"""Everything whose methods are called around each ``os.fork`` of this process, by ``id()``, for as long as it lives.

Processes started by ``subprocess`` are no forks. ``forkables[id(self)] = self`` is safe in any thread.
"""


def _call(call: Callable[[Forkable], None]) -> None:
    for reference in forkables.valuerefs():  # a copy: other threads may add and drop things meanwhile
        if (thing := reference()) is not None:
            call(thing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _call(lambda thing: thing.before_fork()),
        after_in_parent=lambda: _call(lambda thing: thing.after_fork_in_parent()),
        after_in_child=lambda: _call(lambda thing: thing.after_fork_in_child()),
    )
