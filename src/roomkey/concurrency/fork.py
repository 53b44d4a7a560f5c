"""Hooks around a fork: locks and connections do not survive one."""

import os
import weakref
from collections.abc import Callable


class Forkable:
    """Something with a lock or a connection; none of the three methods may raise or wait without a limit."""

    __slots__ = ("__weakref__",)

    def before_fork(self) -> None:
        """Called in the thread that forks, just before it does."""

    def after_fork_in_parent(self) -> None:
        """Called in the parent, just after."""

    def after_fork_in_child(self) -> None:
        """Called in the child, where the thread that forked is the only one left."""


_registered: list["weakref.ref[Forkable]"] = []


def register_at_fork(thing: Forkable) -> None:
    """Call the methods of ``thing`` around every ``os.fork`` of this process, for as long as it lives.

    Processes started by ``subprocess`` are no forks. No I/O; safe in any thread.
    """
    for reference in tuple(_registered):
        if reference() is None:
            _forget(reference)
    _registered.append(weakref.ref(thing))


def _forget(reference: "weakref.ref[Forkable]") -> None:
    try:
        _registered.remove(reference)
    except ValueError:  # another thread was quicker
        return


def _call(call: Callable[[Forkable], None]) -> None:
    for reference in tuple(_registered):
        if (thing := reference()) is not None:
            call(thing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _call(lambda thing: thing.before_fork()),
        after_in_parent=lambda: _call(lambda thing: thing.after_fork_in_parent()),
        after_in_child=lambda: _call(lambda thing: thing.after_fork_in_child()),
    )
