"""What the service does by itself, again and again, beside the requests: a round that fails is followed by the next."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.keys.rotation import apply_due_changes
from roomkey.authorization_server.purge_expired import purge_expired
from roomkey.authorization_server.service import Service
from roomkey.errors import place_of

_LOG: Final = logging.getLogger("roomkey.server.upkeep")


@dataclass(frozen=True, slots=True)
class BackgroundJob:
    """One thing to do again and again.

    Attributes:
        name: for the log.
        round: does it once.
        every: seconds between two rounds on the average; each pause is between half and one and a half of it, so that
            several nodes come apart.
        at_end: whether it is done once more when the service ends.
    """

    name: str
    round: Callable[[], Awaitable[Any]]
    every: float
    at_end: bool = False


def chores(service: Service, app: Starlette) -> tuple[BackgroundJob, ...]:
    """All that the service ``service`` with its application ``app`` has to do by itself."""
    return (
        BackgroundJob("clean", lambda: purge_expired(service), every=600),
        BackgroundJob("keys", lambda: service.perform(SERVICE, apply_due_changes), every=60),
        BackgroundJob("last used", app.state.last_used.write, every=30, at_end=True),
    )


async def keep_up(chore: BackgroundJob, *, chance: Callable[[], float] = random.random) -> None:
    """Do ``chore`` until the task is cancelled; ``chance`` is evenly between 0 and 1."""
    while True:
        await asyncio.sleep(chore.every * (0.5 + chance()))
        await once(chore)


async def once(chore: BackgroundJob) -> None:
    """Do ``chore`` once; a failure is logged, by its kind and place where nobody foresaw it."""
    try:
        await chore.round()
    except DatabaseUnavailable as error:
        _LOG.warning("put off", extra={"fields": {"chore": chore.name, "problem": str(error)}})
    except Exception as error:  # noqa: BLE001 - whatever it is, the next round is due all the same
        fields = {"chore": chore.name, "error": type(error).__name__, "place": place_of(error)}
        _LOG.error("failed", extra={"fields": fields})
