"""Takes out what has ended: in small transactions, on any number of nodes at once, and never what still decides.

An ended session stays for as long as its address counts as the user's own, who is let in there whoever else has tried.
A used refresh token stays until its family's absolute end, and so does a used code: by them a second use is known.
Signing keys, app tokens and the audit log stay for ever.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from sqlalchemy import Column, ColumnElement, Table, and_, delete, exists, or_, select, tuple_

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
_KEPT: Final = HOUR  # seconds that a row outlives its end: longer than clocks differ
_PAUSE: Final = 0.05  # seconds between two batches of a round
IsExpired = Callable[[int, Settings], ColumnElement[bool]]


def _past(column: "Column[int]") -> IsExpired:
    return lambda now, _settings: column < now - _KEPT


def _access_tokens_over(now: int, _settings: Settings) -> ColumnElement[bool]:
    # One that was rotated away ends before the end that it bears: until then the deny list must name it.
    borne = exists().where(app_tokens.c.digest == access_tokens.c.digest, app_tokens.c.exp >= now - _KEPT)
    return and_(access_tokens.c.expires_at < now - _KEPT, ~borne)


def _codes_over(now: int, settings: Settings) -> ColumnElement[bool]:
    family = exists().where(token_families.c.id == authorization_codes.c.family_id)
    after = max(_KEPT, settings.longest_access_token)  # what a code without a family has minted may live as long
    return and_(authorization_codes.c.expires_at < now - after, or_(authorization_codes.c.used_at.is_(None), ~family))


def _refresh_tokens_over(now: int, _settings: Settings) -> ColumnElement[bool]:
    ended = select(token_families.c.id).where(token_families.c.expires_at < now - _KEPT)
    return refresh_tokens.c.family_id.in_(ended)


def _families_over(now: int, _settings: Settings) -> ColumnElement[bool]:
    member = exists().where(refresh_tokens.c.family_id == token_families.c.id)
    return and_(token_families.c.expires_at < now - _KEPT, ~member)


def _sessions_over(now: int, _settings: Settings) -> ColumnElement[bool]:
    known = and_(sessions.c.stage == Stage.FULL, sessions.c.created_at > now - KNOWN_FOR)
    return and_(sessions.c.expires_at < now - _KEPT, ~known)


def _attempts_over(now: int, _settings: Settings) -> ColumnElement[bool]:
    return and_(attempts.c.last_at < now - DAY, attempts.c.blocked_until < now)


_TABLES: Final[tuple[tuple[Table, IsExpired], ...]] = (
    (access_tokens, _access_tokens_over),
    (refresh_tokens, _refresh_tokens_over),
    (token_families, _families_over),
    (authorization_codes, _codes_over),
    (assertion_ids, _past(assertion_ids.c.expires_at)),
    (sessions, _sessions_over),
    (account_secrets, _past(account_secrets.c.expires_at)),
    (setup_links, _past(setup_links.c.expires_at)),
    (attempts, _attempts_over),
)


def purge_table(uow: UnitOfWork, table: Table, over: IsExpired) -> int:
    """Take at most BATCH rows that are ``over`` out of ``table``; how many there were. Another node's rows are left."""
    key = list(table.primary_key.columns)
    found = uow.connection.execute(
        select(*key).where(over(uow.now, uow.settings)).limit(BATCH).with_for_update(skip_locked=True, of=table)
    ).all()
    if not found:
        return 0
    chosen = key[0].in_([row[0] for row in found]) if len(key) == 1 else tuple_(*key).in_([tuple(row) for row in found])
    return uow.connection.execute(delete(table).where(chosen)).rowcount


async def purge_expired(service: Service) -> int:
    """Take out everything that has ended, batch by batch; how many rows there were. Raises DatabaseUnavailable."""
    total = 0
    for table, over in _TABLES:
        while True:
            count = await service.perform(SERVICE, partial(purge_table, table=table, over=over))
            total += count
            if count < BATCH:
                break
            await asyncio.sleep(_PAUSE)
    return total
