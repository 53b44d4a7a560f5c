"""Secrets of service accounts: made, shown once, rotated with an overlap, expired at their date."""

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, delete, insert, or_, select, update

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.accounts.bounds import demand_not_stronger
from roomkey.authorization_server.accounts.service_accounts.model import BY_SECRET, changeable
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict
from roomkey.authorization_server.schema.accounts import account_secrets
from roomkey.authorization_server.secret_format import GeneratedSecret, SecretKind
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class AccountSecret:
    """Facts about a secret; not the secret, which nobody keeps.

    Attributes:
        hint: its prefix and its last four characters.
        created_at, expires_at, last_used_at: seconds since 1970; without an end, and not used yet, None.
    """

    hint: str
    created_at: int
    expires_at: int | None
    last_used_at: int | None


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """A new secret, which is in no other response, and until when the one before it is valid.

    Attributes:
        client_id: of its account.
        client_secret: the secret.
        old_until: seconds since 1970; None where there was no other, or it has expired.
    """

    client_id: str
    client_secret: GeneratedSecret = field(repr=False)
    old_until: int | None


def valid(now: int) -> ColumnElement[bool]:
    """The condition by which a secret is valid at ``now``: no clean-up has to have been there (auth service 7)."""
    return or_(account_secrets.c.expires_at.is_(None), account_secrets.c.expires_at > now)


def add_secret(uow: UnitOfWork, client_id: str) -> GeneratedSecret:
    """Make a secret for the account, stored as its digest; checks nothing and writes no audit event."""
    made = secret_format.generate_secret(SecretKind.CLIENT_SECRET)
    uow.connection.execute(
        insert(account_secrets).values(
            digest=made.digest, client_id=client_id, hint=made.hint, created_at=uow.now, expires_at=None
        )
    )
    return made


def secrets_of(uow: UnitOfWork, client_id: str) -> tuple[AccountSecret, ...]:
    """The account's valid secrets, the newest first."""
    rows = uow.connection.execute(
        select(account_secrets)
        .where(account_secrets.c.client_id == client_id, valid(uow.now))
        .order_by(account_secrets.c.expires_at.is_not(None), account_secrets.c.created_at.desc())
    )
    return tuple(AccountSecret(row.hint, row.created_at, row.expires_at, row.last_used_at) for row in rows)


def rotate(uow: UnitOfWork, client_id: str, overlap: int) -> RotatedSecret:
    """Make a secret; the one before stays valid for ``overlap`` seconds, any older one expires now.

    Raises NotFound, NotAllowed, and Conflict where the account does not authenticate by a secret.
    """
    account = changeable(uow, client_id)
    demand_not_stronger(uow, client_id, account.roles)
    if account.authentication not in BY_SECRET or account.built_in:
        raise Conflict(f"The account {client_id} does not authenticate by a secret.")
    until = uow.now + overlap
    latest = uow.connection.execute(
        select(account_secrets.c.digest, account_secrets.c.expires_at)
        .where(account_secrets.c.client_id == client_id, valid(uow.now))
        .order_by(account_secrets.c.expires_at.is_not(None), account_secrets.c.created_at.desc())
        .limit(1)
    ).first()
    kept = None if latest is None or overlap == 0 else latest.digest
    others = account_secrets.c.client_id == client_id
    if kept is not None and latest is not None:
        others &= account_secrets.c.digest != kept
        until = until if latest.expires_at is None else min(until, latest.expires_at)
        uow.connection.execute(update(account_secrets).where(account_secrets.c.digest == kept).values(expires_at=until))
    uow.connection.execute(delete(account_secrets).where(others))
    made = add_secret(uow, client_id)
    old_until = None if kept is None else until
    subject = Subject("service_account", client_id, account.tenant)
    record_event(uow, "service_account.secret_rotated", subject, hint=made.hint, old_until=old_until)
    uow.bump_config_version()
    return RotatedSecret(client_id, made, old_until)
