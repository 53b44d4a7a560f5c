"""``writing_child.py DATA``: writes numbers through the service, many at a time, and names each once it is answered."""

import asyncio
import os
import sys
from pathlib import Path

from sqlalchemy import insert

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.schema.accounts import tenants
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork

_WRITES, _AT_ONCE = 1000, 16


def _act(uow: UnitOfWork, number: int) -> int:
    uow.connection.execute(insert(tenants).values(name=f"{number}", created_at=uow.now))
    record_event(uow, "tenant.created", Subject("tenant", f"{number}"))
    return number


async def _write(service: Service) -> None:
    numbers = iter(range(_WRITES))

    async def one_after_another() -> None:
        for number in numbers:
            done = await service.perform(SERVICE, lambda uow, number=number: _act(uow, number))
            os.write(1, f"{done}\n".encode())

    await asyncio.gather(*(one_after_another() for _ in range(_AT_ONCE)))


with Service.open(Settings.at(Path(sys.argv[1]))) as service:
    asyncio.run(_write(service))
