"""``writing_child.py DATA``: writes numbers through the service, many at a time, and names each once it is answered."""

import asyncio
import os
import sys
from pathlib import Path

from sqlalchemy import insert

from roomkey.authorization_server import audit
from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.schema.accounts import tenants
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.work import Work

_WRITES, _AT_ONCE = 1000, 16


def _act(work: Work, number: int) -> int:
    work.connection.execute(insert(tenants).values(name=f"{number}", created_at=work.now))
    audit.record(work, "tenant.created", audit.Subject("tenant", f"{number}"))
    return number


async def _write(service: Service) -> None:
    numbers = iter(range(_WRITES))

    async def one_after_another() -> None:
        for number in numbers:
            done = await service.perform(SERVICE, lambda work, number=number: _act(work, number))
            os.write(1, f"{done}\n".encode())

    await asyncio.gather(*(one_after_another() for _ in range(_AT_ONCE)))


with Service.open(Settings.at(Path(sys.argv[1]))) as service:
    asyncio.run(_write(service))
