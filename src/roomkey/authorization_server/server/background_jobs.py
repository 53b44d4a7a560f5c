"""Background jobs of the service, beside the requests; a run that fails is logged and followed by the next one."""

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

_LOG: Final = logging.getLogger("roomkey.server.jobs")


@dataclass(frozen=True, slots=True)
class BackgroundJob:
    """One job that is repeated.

    Attributes:
        name: for the log.
        run: does it once.
        every: mean seconds between two runs; each pause is 0.5 to 1.5 times as long, so that nodes spread out.
        at_end: whether it runs once more when the service ends.
    """

    name: str
    run: Callable[[], Awaitable[Any]]
    every: float
    at_end: bool = False


def background_jobs(service: Service, app: Starlette) -> tuple[BackgroundJob, ...]:
    """Return all jobs of ``service`` with its application ``app``."""
    return (
        BackgroundJob("purge expired", lambda: purge_expired(service), every=600),
        BackgroundJob("rotate keys", lambda: service.perform(SERVICE, apply_due_changes), every=60),
        BackgroundJob("write last used", app.state.last_used.write, every=30, at_end=True),
    )


async def repeat(job: BackgroundJob, *, chance: Callable[[], float] = random.random) -> None:
    """Run ``job`` again and again until the task is cancelled; ``chance`` is uniform between 0 and 1."""
    while True:
        await asyncio.sleep(job.every * (0.5 + chance()))
        await run_once(job)


async def run_once(job: BackgroundJob) -> None:
    """Run ``job`` once; a failure is logged, an unexpected one by its type and place."""
    try:
        await job.run()
    except DatabaseUnavailable as error:
        _LOG.warning("postponed", extra={"fields": {"job": job.name, "problem": str(error)}})
    except Exception as error:  # noqa: BLE001 - the next run is due all the same
        fields = {"job": job.name, "error": type(error).__name__, "place": place_of(error)}
        _LOG.error("failed", extra={"fields": fields})
