"""Revocation of app tokens, in both tables that know them."""

from collections.abc import Collection, Iterable

from sqlalchemy import select, update

from roomkey.authorization_server.accounts.syntax import words
from roomkey.authorization_server.schema.tokens import app_tokens
from roomkey.authorization_server.tokens.revocation import revoke_token
from roomkey.authorization_server.unit_of_work import UnitOfWork


def revoke(uow: UnitOfWork, ids: Iterable[str]) -> int:
    """Revoke the app tokens with these ids and return how many of them were valid."""
    statement = (
        update(app_tokens)
        .where(app_tokens.c.id.in_(tuple(ids)), app_tokens.c.revoked_at.is_(None), app_tokens.c.expires_at > uow.now)
        .values(revoked_at=uow.now)
        .returning(app_tokens.c.digest)
    )
    digests = uow.connection.scalars(statement).all()
    for digest in digests:
        revoke_token(uow, bytes(digest))
    return len(digests)


def revoke_beyond(uow: UnitOfWork, client_id: str, audience: str, allowed: Collection[str]) -> int:
    """Revoke the account's app tokens for an API that hold a scope which is not ``allowed``, and return how many."""
    valid = uow.connection.execute(
        select(app_tokens.c.id, app_tokens.c.scope).where(
            app_tokens.c.client_id == client_id,
            app_tokens.c.audience == audience,
            app_tokens.c.revoked_at.is_(None),
            app_tokens.c.expires_at > uow.now,
        )
    ).all()
    return revoke(uow, [row.id for row in valid if not set(words(row.scope)) <= set(allowed)])
