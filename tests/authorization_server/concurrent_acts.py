"""Two acts of which the second begins before the first is committed, as on two nodes of one database."""

import threading
from collections.abc import Callable
from typing import Any

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork

Act = Callable[[UnitOfWork], Any]
_HEAD_START = 0.3  # seconds in which the second act comes as far as it can


def run_concurrently(service: Service, first: Act, second: Act, *, by: tuple[Actor, Actor] | None = None) -> list[Any]:
    """What both returned; of one that failed, its exception."""
    actors = by or (Actor.console(), Actor.console())
    outcomes: list[Any] = [None, None]

    def follow() -> None:
        try:
            with service.unit_of_work(actors[1]) as uow:
                outcomes[1] = second(uow)
        except Exception as error:
            outcomes[1] = error

    thread = threading.Thread(target=follow)
    try:
        with service.unit_of_work(actors[0]) as uow:
            outcomes[0] = first(uow)
            thread.start()
            thread.join(_HEAD_START)
    finally:
        thread.join(30)
    return outcomes
