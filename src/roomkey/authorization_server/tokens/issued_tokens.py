"""The record of every token that was issued, and how tokens end before their time."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, select, update

from roomkey.authorization_server.database.statements import PreparedInsert, Value
from roomkey.authorization_server.database.transaction import Lock, acquire_lock
from roomkey.authorization_server.schema.identity import users
from roomkey.authorization_server.schema.tokens import access_tokens, app_tokens, token_families
from roomkey.authorization_server.tokens.issue import NewAccessToken
from roomkey.authorization_server.unit_of_work import UnitOfWork

_KEPT: Final = (
    "digest",
    "jti",
    "client_id",
    "user_id",
    "audience",
    "scope",
    "roles",
    "tenant",
    "family_id",
    "issued_at",
    "expires_at",
    "authenticated_at",
    "acr",
)
_KEEP: Final = PreparedInsert(access_tokens, _KEPT)


def record_tokens(connection: Connection, *minted: NewAccessToken) -> None:
    """Write down the tokens, in one statement: without that, introspection does not know them."""
    if minted:
        _KEEP.run(connection, [_row(one) for one in minted])


def _row(minted: NewAccessToken) -> tuple[Value, ...]:
    grant = minted.grant
    return (
        minted.digest,
        minted.jti,
        grant.client_id,
        grant.user_id,
        grant.audience,
        " ".join(grant.scope),
        " ".join(grant.roles),
        grant.tenant,
        grant.family_id,
        minted.issued_at,
        minted.expires_at,
        grant.authenticated_at,
        grant.acr,
    )


def block_bulk_revocation(connection: Connection) -> None:
    """Until this is over, let nobody end all tokens of an account or a person: the sweep sees those of this."""
    acquire_lock(connection, Lock.BULK_REVOCATION, shared=True)


def revoke_token(uow: UnitOfWork, digest: bytes) -> bool:
    """End the access token with ``digest``; False where there is none that lives."""
    return _end(uow, access_tokens, access_tokens.c.digest == digest) > 0


def revoke_family(uow: UnitOfWork, family_id: str, *, reason: str) -> bool:
    """End a refresh family and all its access tokens, in two statements; False where it had ended."""
    ended = _end(uow, token_families, token_families.c.id == family_id, reason=reason)
    _end(uow, access_tokens, access_tokens.c.family_id == family_id)
    return ended > 0


def revoke_account(uow: UnitOfWork, client_id: str, *, reason: str) -> None:
    """End every token and family of a service account."""
    _end_all(uow, "client_id", client_id, reason)
    _end(uow, app_tokens, app_tokens.c.client_id == client_id)


def revoke_user(uow: UnitOfWork, user_id: str, *, reason: str) -> None:
    """End every token and family that stands for a person."""
    # First their row, as a sign-in does: who holds the one and waits for the other never meets who does the reverse.
    uow.connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))
    _end_all(uow, "user_id", user_id, reason)


def _end_all(uow: UnitOfWork, column: str, value: str, reason: str) -> None:
    acquire_lock(
        uow.connection, Lock.BULK_REVOCATION
    )  # wait for those that issue; who comes later sees what has changed
    _end(uow, token_families, token_families.c[column] == value, reason=reason)
    live = and_(access_tokens.c[column] == value, access_tokens.c.expires_at > uow.now)
    _end(uow, access_tokens, live)


def _end(uow: UnitOfWork, table: Table, which: ColumnElement[bool], **others: Any) -> int:
    statement = update(table).where(which, table.c.revoked_at.is_(None)).values(revoked_at=uow.now, **others)
    return uow.connection.execute(statement).rowcount
