"""The link that makes the first administrator: printed on the console, good once and for an hour."""

from typing import Final

from sqlalchemy import insert, select, update

from roomkey.authorization_server import audit, opaque
from roomkey.authorization_server.actor import ActorKind
from roomkey.authorization_server.audit import Subject
from roomkey.authorization_server.errors import Conflict, NotAllowed, NotFound
from roomkey.authorization_server.people import users
from roomkey.authorization_server.people.passwords import PasswordHash
from roomkey.authorization_server.people.users import User
from roomkey.authorization_server.permissions import Role
from roomkey.authorization_server.schema.people import setup_links
from roomkey.authorization_server.work import Work

_LIFETIME: Final = 3600  # seconds


def create(work: Work) -> str:
    """The address of the page that makes the first administrator; links that were made before end.

    The secret stands after ``#``-free ``?token=``, for the page works without scripts; it is worth nothing once used.
    Raises NotAllowed but for the console and the service, and Conflict where there is an administrator.
    """
    if work.actor.kind not in {ActorKind.CONSOLE, ActorKind.SERVICE}:
        raise NotAllowed("Only whoever holds the service's machine can set it up.")
    work.alone()
    if users.administrators_exist(work.connection):
        raise Conflict("There is an administrator already; make others with: roomkey admin user create")
    work.connection.execute(update(setup_links).where(setup_links.c.used_at.is_(None)).values(used_at=work.now))
    link = opaque.new(opaque.Kind.SETUP)
    work.connection.execute(
        insert(setup_links).values(digest=link.digest, created_at=work.now, expires_at=work.now + _LIFETIME)
    )
    audit.record(work, "setup_link.created", Subject("setup_link", link.hint))
    return f"{work.settings.issuer.rstrip('/')}/setup?token={link.value}"


def is_good(work: Work, token: str) -> bool:
    """Whether the link with this secret can still be used. Reads only."""
    if not opaque.is_whole(token, opaque.Kind.SETUP) or users.administrators_exist(work.connection):
        return False
    expires_at = work.connection.scalar(
        select(setup_links.c.expires_at).where(
            setup_links.c.digest == opaque.digest_of(token), setup_links.c.used_at.is_(None)
        )
    )
    return expires_at is not None and work.now < expires_at


def use(work: Work, token: str, *, username: str, password: PasswordHash) -> User:
    """The first administrator; the link ends by it. Raises NotFound where it has ended, and Invalid."""
    work.alone()
    if not is_good(work, token):
        raise NotFound("This link has been used or is older than an hour; start the service again to get another one.")
    spent = work.connection.execute(
        update(setup_links)
        .where(setup_links.c.digest == opaque.digest_of(token), setup_links.c.used_at.is_(None))
        .values(used_at=work.now)
    )
    if spent.rowcount != 1:
        raise NotFound("This link has been used in the meantime.")
    return users.create(work, username=username, roles=[Role.ADMINISTRATOR], password=password)
