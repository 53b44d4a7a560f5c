"""What must be done around a fork: locks and connections do not survive one."""

import os
import weakref
from collections.abc import Callable
from itertools import count
from typing import Final

Step = Callable[[], None]

_names = count()
_before: Final[dict[int, "weakref.WeakMethod[Step]"]] = {}
_in_parent: Final[dict[int, "weakref.WeakMethod[Step]"]] = {}
_in_child: Final[dict[int, "weakref.WeakMethod[Step]"]] = {}


def at_fork(*, before: Step | None = None, in_parent: Step | None = None, in_child: Step | None = None) -> None:
    """Call bound methods around every ``os.fork`` of this process, for as long as their objects live.

    None of them may raise or wait without a limit. Processes started by ``subprocess`` are no forks.
    """
    for steps, method in ((_before, before), (_in_parent, in_parent), (_in_child, in_child)):
        if method is not None:
            _keep(steps, method)


def _keep(steps: dict[int, "weakref.WeakMethod[Step]"], method: Step) -> None:
    name = next(_names)
    steps[name] = weakref.WeakMethod(method, lambda _: steps.pop(name, None))


def _run(steps: dict[int, "weakref.WeakMethod[Step]"]) -> None:
    for reference in list(steps.values()):
        if (method := reference()) is not None:
            method()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _run(_before),
        after_in_parent=lambda: _run(_in_parent),
        after_in_child=lambda: _run(_in_child),
    )
