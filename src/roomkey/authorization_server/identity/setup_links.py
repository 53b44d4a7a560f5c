"""Setup links: create the first administrator; printed on the console, single use, valid for an hour."""

from typing import Final

from sqlalchemy import insert, select, update

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.actor import ActorKind
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, NotAllowed, NotFound
from roomkey.authorization_server.identity import users
from roomkey.authorization_server.identity.commands import CreateUser
from roomkey.authorization_server.identity.passwords import PasswordHash
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.permissions import Role
from roomkey.authorization_server.schema.identity import setup_links
from roomkey.authorization_server.unit_of_work import UnitOfWork

_LIFETIME: Final = 3600  # seconds


def create(uow: UnitOfWork) -> str:
    """URL of the page that creates the first administrator; earlier links become invalid.

    The secret is in the query, because the page works without scripts. Raises NotAllowed but for the console and the
    service, and Conflict where an administrator exists.
    """
    if uow.actor.kind not in {ActorKind.CONSOLE, ActorKind.SERVICE}:
        raise NotAllowed("A setup link can only be created on the machine of the service.")
    uow.lock_admin_changes()
    if users.administrators_exist(uow.connection):
        raise Conflict("There is an administrator already; create others with: roomkey admin user create")
    uow.connection.execute(update(setup_links).where(setup_links.c.used_at.is_(None)).values(used_at=uow.now))
    link = secret_format.generate_secret(secret_format.SecretKind.SETUP)
    uow.connection.execute(
        insert(setup_links).values(digest=link.digest, created_at=uow.now, expires_at=uow.now + _LIFETIME)
    )
    record_event(uow, "setup_link.created", Subject("setup_link", link.hint))
    return f"{uow.settings.issuer.rstrip('/')}/setup?token={link.value}"


def is_valid(uow: UnitOfWork, token: str) -> bool:
    """True where the link with this secret can be used. Reads only."""
    if not secret_format.is_well_formed(token, secret_format.SecretKind.SETUP) or users.administrators_exist(
        uow.connection
    ):
        return False
    expires_at = uow.connection.scalar(
        select(setup_links.c.expires_at).where(
            setup_links.c.digest == secret_format.digest_of(token), setup_links.c.used_at.is_(None)
        )
    )
    return expires_at is not None and uow.now < expires_at


def use(uow: UnitOfWork, token: str, *, username: str, password: PasswordHash) -> User:
    """Create the first administrator and consume the link. Raises NotFound for an invalid link, and Invalid."""
    uow.lock_admin_changes()
    if not is_valid(uow, token):
        raise NotFound("The setup link was used already or has expired; restart the service to get a new one.")
    spent = uow.connection.execute(
        update(setup_links)
        .where(setup_links.c.digest == secret_format.digest_of(token), setup_links.c.used_at.is_(None))
        .values(used_at=uow.now)
    )
    if spent.rowcount != 1:
        raise NotFound("The setup link was used in the meantime.")
    return CreateUser(username=username, roles=(Role.ADMINISTRATOR.value,), password=password)(uow)
