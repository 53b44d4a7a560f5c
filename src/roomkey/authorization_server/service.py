"""The auth service without its pages and endpoints: settings, database, keys and time, put together and ready."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self, TypeVar

from sqlalchemy import Connection, select

from roomkey.authorization_server.accounts.apis import ensure_built_in
from roomkey.authorization_server.actor import SERVICE, Actor
from roomkey.authorization_server.column_encryption import START_CHECK
from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.database.migrate import migrate
from roomkey.authorization_server.database.statements import insert_into
from roomkey.authorization_server.errors import DatabaseUnsuitable
from roomkey.authorization_server.keys.new_key import ensure_signing_key
from roomkey.authorization_server.keys.published_keys import SigningKeyCache
from roomkey.authorization_server.schema.audit import seals
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.clock import Clock, SystemClock
from roomkey.stores.keyring import Keyring

Result = TypeVar("Result")
_KEY_FILE: Final = "roomkey.key"
_CHECK: Final = b"these are the keys of this database"


class Service:
    """Everything that the commands, the endpoints and the pages work with. Safe in any thread.

    Attributes:
        settings: what it was told.
        database: where everything is.
        keyring: the keys that encrypt the columns with secrets.
        keys: the signing keys in use.
        clock: the only clock that it goes by.
    """

    def __init__(self, settings: Settings, database: Database, keyring: Keyring, clock: Clock) -> None:
        self.settings = settings
        self.database = database
        self.keyring = keyring
        self.keys = SigningKeyCache()
        self.clock = clock

    @classmethod
    def open(cls, settings: Settings, *, clock: Clock | None = None, keyring: Keyring | None = None) -> Self:
        """The service that ``settings`` describe; on a fresh machine its database, schema and keys are made.

        ``keyring`` holds the key-encryption keys; by default a file in the data folder. Raises ConfigurationError,
        DatabaseUnavailable, and DatabaseUnsuitable where the keys are not those of the database. Blocks.
        """
        database = Database.open(settings.database)
        try:
            migrate(database)
            ring = keyring or _key_file(settings.data, database)
            service = cls(settings, database, ring, clock or SystemClock())
            service._check_keys()
            with service.unit_of_work(SERVICE) as uow:
                ensure_signing_key(uow, "ES256")
                ensure_built_in(uow)
        except BaseException:
            database.close()
            raise
        return service

    def now(self) -> int:
        """Whole seconds since 1970."""
        return int(self.clock.wall())

    @contextmanager
    def unit_of_work(self, actor: Actor) -> Iterator[UnitOfWork]:
        """``with service.work(actor) as work:`` one transaction that may write, committed at the end. Blocks."""
        with self.database.writing() as connection:
            yield self.on(connection, actor)

    @contextmanager
    def look(self, actor: Actor) -> Iterator[UnitOfWork]:
        """``with service.look(actor) as work:`` one transaction that only reads. Blocks."""
        with self.database.reading() as connection:
            yield self.on(connection, actor)

    async def perform(self, actor: Actor, act: Callable[[UnitOfWork], Result]) -> Result:
        """What ``act`` returns, once all that it changed is on the disk; off the event loop."""
        return await self.database.write(lambda connection: act(self.on(connection, actor)))

    async def view(self, actor: Actor, read: Callable[[UnitOfWork], Result]) -> Result:
        """What ``read`` finds in one state of the database; off the event loop."""
        return await self.database.read(lambda connection: read(self.on(connection, actor)))

    def on(self, connection: Connection, actor: Actor) -> UnitOfWork:
        """Work for ``actor`` in the open transaction of ``connection``."""
        return UnitOfWork(connection, self.now(), actor, self.keyring, self.settings)

    def _check_keys(self) -> None:
        found = select(seals.c.sealed).where(seals.c.name == "check")
        with self.database.writing() as connection:
            sealed = connection.scalar(found)
            if sealed is None:  # of several nodes on a fresh database, the first one's keys are the database's
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
                f"The keys from {self.keyring.description} are not those that this database was sealed with; "
                "put the right key file back. Nothing was changed."
            )

    def close(self) -> None:
        """Perform what was handed over, then let go of the database. Blocks."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _key_file(data: Path, database: Database) -> Keyring:
    """The keyring of the data folder; made only for a database in which nothing has been sealed yet."""
    path = data / _KEY_FILE
    with database.reading() as connection:
        used = connection.scalar(select(seals.c.name).where(seals.c.name == "check")) is not None
    if used and not path.exists():
        raise DatabaseUnsuitable(f"The key file {path} is missing, and the database was sealed with it; put it back.")
    return Keyring.from_file(path, create=True)
