"""The name under which the service was last served: what else works on its database makes tokens by that name."""

import dataclasses
from typing import Final

from sqlalchemy import select

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.database.statements import insert_into
from roomkey.authorization_server.schema.audit import facts
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings

_NAME: Final = "issuer"


def remember_issuer(service: Service) -> None:
    """Write down the issuer that ``service`` is served as. Blocks."""
    issuer = service.settings.issuer
    with service.unit_of_work(SERVICE) as uow:
        written = insert_into(uow.connection, facts).values(name=_NAME, value=issuer)
        # Several nodes may start on a fresh database at once.
        uow.connection.execute(written.on_conflict_do_update(index_elements=["name"], set_={"value": issuer}))


def open_as_served(settings: Settings, *, create: bool = True) -> Service:
    """The service of ``settings`` by the name under which it was last served; see ``Service.open``. Blocks.

    ``roomkey serve --issuer`` names it in one process, and tokens that another one makes must bear the same name.
    """
    service = Service.open(settings, create=create)
    with service.look(SERVICE) as uow:
        issuer: str | None = uow.connection.scalar(select(facts.c.value).where(facts.c.name == _NAME))
    if issuer is not None:
        service.settings = dataclasses.replace(service.settings, issuer=issuer)
    return service
