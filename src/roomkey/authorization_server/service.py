"""The auth service without its pages and endpoints: settings, database, encryption keys, signing keys and clock."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

from sqlalchemy import Connection, select

from roomkey.authorization_server.actor import SERVICE, Actor
from roomkey.authorization_server.column_encryption import START_CHECK
from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.database.migrate import demand_schema, migrate
from roomkey.authorization_server.database.statements import insert_into
from roomkey.authorization_server.errors import DatabaseUnsuitable
from roomkey.authorization_server.schema.audit import facts, seals
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.clock import Clock, SystemClock
from roomkey.stores.keyring import Keyring

if TYPE_CHECKING:
    from roomkey.authorization_server.keys.published_keys import SigningKeyCache

Result = TypeVar("Result")
_KEY_FILE: Final = "roomkey.key"
_ISSUER: Final = "issuer"
_CHECK: Final = b"these are the keys of this database"


class Service:
    """State shared by commands, endpoints and pages. Safe in any thread.

    Attributes:
        settings: its settings.
        database: holds everything that outlives the process.
        keyring: the keys that encrypt the columns with secrets.
        clock: its only source of time.
    """

    def __init__(self, settings: Settings, database: Database, keyring: Keyring, clock: Clock) -> None:
        self.settings = settings
        self.database = database
        self.keyring = keyring
        self.clock = clock

    @cached_property
    def keys(self) -> "SigningKeyCache":
        """The signing keys in use."""
        from roomkey.authorization_server.keys.published_keys import SigningKeyCache

        return SigningKeyCache()

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        clock: Clock | None = None,
        keyring: Keyring | None = None,
        create: bool = True,
    ) -> Self:
        """Open the service of ``settings``; on a fresh machine, create its database, schema and keys.

        ``keyring`` holds the key-encryption keys; by default a file in the data folder. Without ``create`` there must
        be a service, and nothing is written. Raises ConfigurationError, DatabaseUnavailable, and DatabaseUnsuitable
        where the keys are not those of the database. Blocks.
        """
        database = Database.open(settings.database, create=create)
        try:
            migrate(database) if create else demand_schema(database)
            ring = keyring or _key_file(settings.data, database)
            service = cls(settings, database, ring, clock or SystemClock())
            service._check_keys()
            if create:
                from roomkey.authorization_server.accounts.apis.insert import ensure_built_in
                from roomkey.authorization_server.keys.new_key import ensure_signing_key

                _ = service.keys  # one cache, before there are several threads
                with service.unit_of_work(SERVICE) as uow:
                    ensure_signing_key(uow, "ES256")
                    ensure_built_in(uow)
        except BaseException:
            database.close()
            raise
        return service

    def now(self) -> int:
        """Return whole seconds since 1970."""
        return int(self.clock.wall())

    @contextmanager
    def unit_of_work(self, actor: Actor) -> Iterator[UnitOfWork]:
        """``with service.unit_of_work(actor) as uow:`` one transaction that may write, committed at the end. Blocks."""
        with self.database.writing() as connection:
            yield self.on(connection, actor)

    @contextmanager
    def look(self, actor: Actor) -> Iterator[UnitOfWork]:
        """``with service.look(actor) as uow:`` one transaction that only reads. Blocks."""
        with self.database.reading() as connection:
            yield self.on(connection, actor)

    async def perform(self, actor: Actor, act: Callable[[UnitOfWork], Result]) -> Result:
        """Run ``act`` in a transaction off the event loop; return its result once its changes are on the disk."""
        return await self.database.write(lambda connection: act(self.on(connection, actor)))

    async def view(self, actor: Actor, read: Callable[[UnitOfWork], Result]) -> Result:
        """Run ``read`` in a transaction that only reads, off the event loop, and return its result."""
        return await self.database.read(lambda connection: read(self.on(connection, actor)))

    def on(self, connection: Connection, actor: Actor) -> UnitOfWork:
        """Return the unit of work of ``actor`` in the open transaction of ``connection``."""
        return UnitOfWork(connection, self.now(), actor, self.keyring, self.settings)

    def _check_keys(self) -> None:
        found = select(seals.c.sealed).where(seals.c.name == "check")
        with self.database.reading() as connection:
            sealed = connection.scalar(found)
        if sealed is None:
            with self.database.writing() as connection:
                # Of several nodes on a fresh database, the first one's keys are the database's.
                values = {"name": "check", "sealed": START_CHECK.encrypt(self.keyring, _CHECK, row="check")}
                connection.execute(insert_into(connection, seals).values(values).on_conflict_do_nothing())
                sealed = connection.scalar(found)
        assert sealed is not None  # noqa: S101 - it was there, or is now
        try:
            right = START_CHECK.decrypt(self.keyring, sealed, row="check") == _CHECK
        except DatabaseUnsuitable:
            right = False
        if not right:
            raise DatabaseUnsuitable(
                f"The keys from {self.keyring.description} are not those that this database was encrypted with; "
                "restore the right key file. Nothing was changed."
            )

    def close(self) -> None:
        """Finish the writes in the queue, then close the database. Blocks."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _key_file(data: Path, database: Database) -> Keyring:
    """Return the keyring of the data folder; it is created only for a database without encrypted columns."""
    path = data / _KEY_FILE
    with database.reading() as connection:
        used = connection.scalar(select(seals.c.name).where(seals.c.name == "check")) is not None
    if used and not path.exists():
        raise DatabaseUnsuitable(f"The key file {path} is missing, and the database was encrypted with it; restore it.")
    return Keyring.from_file(path, create=True)


def remember_issuer(service: Service) -> None:
    """Store the issuer under which ``service`` is served. Blocks."""
    issuer = service.settings.issuer
    with service.unit_of_work(SERVICE) as uow:
        stored = insert_into(uow.connection, facts).values(name=_ISSUER, value=issuer)
        # Several nodes may start on a fresh database at once.
        uow.connection.execute(stored.on_conflict_do_update(index_elements=["name"], set_={"value": issuer}))


def open_as_served(settings: Settings, *, create: bool = True) -> Service:
    """Open the service of ``settings`` with the issuer under which it was last served; see ``Service.open``. Blocks.

    ``roomkey serve --issuer`` names it in one process, and tokens that another one issues must have the same issuer.
    """
    service = Service.open(settings, create=create)
    with service.look(SERVICE) as uow:
        issuer: str | None = uow.connection.scalar(select(facts.c.value).where(facts.c.name == _ISSUER))
    if issuer is not None:
        service.settings = dataclasses.replace(service.settings, issuer=issuer)
    return service
