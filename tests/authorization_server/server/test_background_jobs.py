"""Background jobs: repeated, whether or not a run fails."""

import asyncio
import logging

import pytest
from sqlalchemy import insert

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.app import create_app
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.schema.identity import setup_links
from roomkey.authorization_server.server.background_jobs import BackgroundJob, background_jobs, repeat, run_once
from roomkey.authorization_server.service import Service
from roomkey.testing import FakeClock


def test_a_run_that_fails_is_logged_without_its_message_and_followed_by_the_next(caplog: pytest.LogCaptureFixture):
    rounds: list[int] = []

    async def watch() -> None:
        done = asyncio.Event()

        async def work() -> None:
            rounds.append(len(rounds))
            if len(rounds) == 1:
                raise DatabaseUnavailable("The database cannot be used now: disk full.")
            if len(rounds) == 2:
                raise ValueError("the password is hunter2")
            done.set()

        task = asyncio.create_task(repeat(BackgroundJob("work", work, every=0.01), chance=lambda: 0.5))
        async with asyncio.timeout(20):
            await done.wait()
        task.cancel()

    with caplog.at_level(logging.INFO, "roomkey.server.jobs"):
        asyncio.run(watch())
    first, second = caplog.records[:2]
    assert (first.levelname, first.fields["problem"]) == ("WARNING", "The database cannot be used now: disk full.")  # type: ignore[attr-defined]
    assert (second.levelname, second.fields["error"]) == ("ERROR", "ValueError")  # type: ignore[attr-defined]
    assert "hunter2" not in caplog.text + str(second.__dict__)


def test_pauses_differ_between_half_and_one_and_a_half(monkeypatch: pytest.MonkeyPatch):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise asyncio.CancelledError

    async def nothing() -> None:
        return

    monkeypatch.setattr(asyncio, "sleep", sleep)
    chances = iter([0.0, 1.0])
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(repeat(BackgroundJob("work", nothing, every=60), chance=lambda: next(chances)))
    assert slept == [30, 90]


def test_the_service_purges_rotates_keys_and_writes_last_uses(service: Service, clock: FakeClock):
    app = create_app(service)
    made = {job.name: job for job in background_jobs(service, app)}
    assert {name: job.at_end for name, job in made.items()} == {
        "purge expired": False,
        "rotate keys": False,
        "write last used": True,
    }
    with service.unit_of_work(SERVICE) as uow:
        row = {"digest": bytes(32), "created_at": uow.now, "expires_at": uow.now}
        uow.connection.execute(insert(setup_links).values(row))
    clock.advance(86_400)

    async def every() -> None:
        for job in made.values():
            await job.run()
            await run_once(job)

    asyncio.run(every())
    with service.look(SERVICE) as uow:
        assert uow.connection.execute(setup_links.select()).first() is None
