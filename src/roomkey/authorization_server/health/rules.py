"""Rules for what is wrong or will be soon, each one query: read by the dashboard's alerts and by ``serve --check``.

``where`` narrows a query to the rows that an actor may see; the checks look at everything. Times are in seconds since
1970.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, or_, select

from roomkey.authorization_server.audit.verify import ChainStatus, verify_latest
from roomkey.authorization_server.permissions import Role
from roomkey.authorization_server.schema.accounts import account_secrets, apis, service_accounts
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.schema.identity import passkeys, user_roles, users
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.authorization_server.schema.tokens import app_tokens
from roomkey.authorization_server.settings import DAY, HOUR

SOON: Final = 7 * DAY
UNUSED: Final = 90 * DAY
LONG_TOKEN_LIFETIME: Final = HOUR
MOST: Final = 5  # rows of each rule
_LATEST_EVENTS: Final = 200
_CLOCK_SKEW: Final = HOUR
Rows = tuple[Row[Any], ...]
Where = ColumnElement[bool]


def audit_chain(connection: Connection) -> ChainStatus:
    """The chain of the latest audit events."""
    return verify_latest(connection, _LATEST_EVENTS)


def audit_in_future(connection: Connection, now: int) -> bool:
    """True where the last audit event lies more than an hour in the future."""
    latest = connection.scalar(select(func.max(audit_events.c.at)))
    return latest is not None and latest > now + _CLOCK_SKEW


def overdue_keys(connection: Connection, now: int, lifetime: int) -> Rows:
    """Signing keys older than ``lifetime`` without a successor, or for two days in spite of one: ``due`` is when."""
    successor = signing_keys.alias("successor")
    due = func.coalesce(signing_keys.c.activated_at, signing_keys.c.created_at) + lifetime
    waits = exists().where(successor.c.algorithm == signing_keys.c.algorithm, successor.c.state == "next")
    return _rows(
        connection,
        select(signing_keys.c.kid, signing_keys.c.algorithm, due.label("due"))
        .where(signing_keys.c.state == "signing", due < now, or_(~waits, due + 2 * DAY < now))
        .order_by(due),
    )


def expiring_secrets(connection: Connection, now: int, *where: Where) -> Rows:
    """Secrets that expire within a week and have no successor, or are in use while their successor is not."""
    newer = account_secrets.alias("newer")
    expires_at, of_account = account_secrets.c.expires_at, newer.c.client_id == account_secrets.c.client_id
    replaced = exists().where(of_account, newer.c.expires_at.is_(None) | (newer.c.expires_at > expires_at))
    unused = exists().where(of_account, newer.c.expires_at.is_(None), newer.c.last_used_at.is_(None))
    return _rows(
        connection,
        select(account_secrets, service_accounts.c.kind, replaced.label("replaced"))
        .join(service_accounts, service_accounts.c.client_id == account_secrets.c.client_id)
        .where(
            expires_at.between(now, now + SOON),
            or_(~replaced, and_(account_secrets.c.last_used_at.is_not(None), unused)),
            *where,
        )
        .order_by(expires_at),
    )


def expiring_app_tokens(connection: Connection, now: int, *where: Where) -> Rows:
    """App tokens that expire within a week and have no successor."""
    statement = _live_app_tokens(now).where(app_tokens.c.expires_at < now + SOON, *where)
    return _rows(connection, statement.order_by(app_tokens.c.expires_at))


def orphaned_app_tokens(connection: Connection, now: int, *where: Where) -> Rows:
    """App tokens whose owner is disabled."""
    owner = exists().where(users.c.id == app_tokens.c.owner_id, users.c.disabled_at.is_not(None))
    return _rows(connection, _live_app_tokens(now).where(owner, *where).order_by(app_tokens.c.created_at))


def users_without_second_factor(connection: Connection, *where: Where) -> Rows:
    """Enabled users with a role of the service who sign in with a password alone."""
    return _rows(
        connection,
        select(users.c.id, users.c.username, func.min(user_roles.c.role).label("role"), users.c.last_seen_at)
        .join(user_roles, user_roles.c.user_id == users.c.id)
        .where(
            user_roles.c.role.in_([role.value for role in Role]),
            users.c.totp_confirmed_at.is_(None),
            ~exists().where(passkeys.c.user_id == users.c.id),
            users.c.disabled_at.is_(None),
            *where,
        )
        .group_by(users.c.id, users.c.username, users.c.last_seen_at)
        .order_by(users.c.username),
    )


def unused_accounts(connection: Connection, now: int, *where: Where) -> Rows:
    """Enabled service accounts that have used neither a secret nor an app token for 90 days."""
    since, account = now - UNUSED, service_accounts.c
    used = or_(
        exists().where(account_secrets.c.client_id == account.client_id, account_secrets.c.last_used_at > since),
        exists().where(
            app_tokens.c.client_id == account.client_id,
            or_(app_tokens.c.last_used_at > since, app_tokens.c.created_at > since),
        ),
    )
    return _rows(
        connection,
        select(service_accounts)
        .where(
            account.kind == "app",
            account.disabled_at.is_(None),
            account.created_at < since,
            account.authentication.startswith("client_secret"),
            ~used,
            *where,
        )
        .order_by(account.client_id),
    )


def long_lived_apis(connection: Connection) -> Rows:
    """Enabled APIs whose access tokens live longer than an hour."""
    return _rows(
        connection,
        select(apis.c.audience)
        .where(apis.c.token_lifetime > LONG_TOKEN_LIFETIME, apis.c.disabled_at.is_(None))
        .order_by(apis.c.audience),
    )


def _live_app_tokens(now: int) -> Any:
    return (
        select(app_tokens)
        .join(service_accounts, service_accounts.c.client_id == app_tokens.c.client_id)
        .where(app_tokens.c.revoked_at.is_(None), app_tokens.c.expires_at > now, app_tokens.c.replaced_by.is_(None))
    )


def _rows(connection: Connection, statement: Any) -> Rows:
    """The first five rows: as many as an alert or a check names."""
    return tuple(connection.execute(statement.limit(MOST)).all())
