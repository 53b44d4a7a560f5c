"""Purge of expired rows: in small transactions, on any number of nodes at once, and never a row that still decides.

An expired session stays for as long as its address is known as the user's own, whose sign-ins no limit there blocks. A
used refresh token stays until its family's absolute expiry, and so does a used code: by them reuse is detected. Signing
keys, app tokens and the audit log stay for ever.
"""

import asyncio
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, Table, and_, delete, exists, or_, select, tuple_

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.identity.sessions import KNOWN_FOR, Stage
from roomkey.authorization_server.schema.accounts import account_secrets, assertion_ids
from roomkey.authorization_server.schema.identity import attempts, sessions, setup_links
from roomkey.authorization_server.schema.tokens import (
    access_tokens,
    app_tokens,
    authorization_codes,
    refresh_tokens,
    token_families,
)
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import DAY, HOUR, Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork

BATCH: Final = 200  # rows to a transaction: few enough that a token request hardly waits for them
_KEPT: Final = HOUR  # seconds that a row outlives its expiry: longer than clocks differ
_PAUSE: Final = 0.05  # seconds between two batches of a round


def _expired(now: int, settings: Settings) -> dict[Table, ColumnElement[bool]]:
    """Return the condition of the expired rows of each table, in the order in which the tables are purged."""
    before = now - _KEPT
    # A token that was rotated expires before its own ``exp``: until then the deny list must name it.
    listed = exists().where(app_tokens.c.digest == access_tokens.c.digest, app_tokens.c.exp >= before)
    expired_families = select(token_families.c.id).where(token_families.c.expires_at < before)
    with_tokens = exists().where(refresh_tokens.c.family_id == token_families.c.id)
    with_family = exists().where(token_families.c.id == authorization_codes.c.family_id)
    # A token that was issued for a code without a family may be valid for that long.
    codes_before = now - max(_KEPT, settings.longest_access_token)
    known = and_(sessions.c.stage == Stage.FULL, sessions.c.created_at > now - KNOWN_FOR)
    return {
        access_tokens: and_(access_tokens.c.expires_at < before, ~listed),
        refresh_tokens: refresh_tokens.c.family_id.in_(expired_families),
        token_families: and_(token_families.c.expires_at < before, ~with_tokens),
        authorization_codes: and_(
            authorization_codes.c.expires_at < codes_before, or_(authorization_codes.c.used_at.is_(None), ~with_family)
        ),
        assertion_ids: assertion_ids.c.expires_at < before,
        sessions: and_(sessions.c.expires_at < before, ~known),
        account_secrets: account_secrets.c.expires_at < before,
        setup_links: setup_links.c.expires_at < before,
        attempts: and_(attempts.c.last_at < now - DAY, attempts.c.blocked_until < now),
    }


def purge_table(uow: UnitOfWork, table: Table) -> int:
    """Delete at most BATCH expired rows of ``table``, but none that another node has locked; return their number."""
    key = list(table.primary_key.columns)
    expired = _expired(uow.now, uow.settings)[table]
    found = uow.connection.execute(
        select(*key).where(expired).limit(BATCH).with_for_update(skip_locked=True, of=table)
    ).all()
    if not found:
        return 0
    chosen = key[0].in_([row[0] for row in found]) if len(key) == 1 else tuple_(*key).in_([tuple(row) for row in found])
    return uow.connection.execute(delete(table).where(chosen)).rowcount


async def purge_expired(service: Service) -> int:
    """Delete all expired rows, batch by batch, and return their number. Raises DatabaseUnavailable."""
    total = 0
    for table in _expired(service.now(), service.settings):
        while True:
            count = await service.perform(SERVICE, partial(purge_table, table=table))
            total += count
            if count < BATCH:
                break
            await asyncio.sleep(_PAUSE)
    return total
