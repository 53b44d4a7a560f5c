"""The deny list: the names of all tokens that were ended before their time, until that time has come."""

import math
from typing import Final

from sqlalchemy import ColumnElement, Select, func, or_, select

from roomkey.authorization_server.keys.key_record import CLOCK_STEP
from roomkey.authorization_server.keys.published_keys import PublishedSigningKeys
from roomkey.authorization_server.lists.signed_list import signed_list, too_long
from roomkey.authorization_server.schema.tokens import access_tokens, app_tokens, ended_early
from roomkey.authorization_server.tokens.issue import JTI_LETTERS
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.cacheable import Published
from roomkey.resource_server.deny_list import DENY_LIST
from roomkey.resource_server.list_token import LARGEST_LIST

_ENTRY: Final = math.ceil((JTI_LETTERS + len('"":1234567890,')) * 4 / 3)
"""Bytes that a token's name and its time take in the signed list, which is base64url."""

_REST: Final = 2048

MOST: Final = (LARGEST_LIST - _REST) // _ENTRY
"""How many tokens the list can name: validators read no more than 1 MiB."""


def deny_list(keys: PublishedSigningKeys, uow: UnitOfWork, *, audience: str | None = None) -> Published:
    """The list of all ended tokens, or of those for one ``audience``; raises OAuthError (503) where it is too long.

    Opaque tokens are on it as well: whether a token was one is not written down, and it harms nobody.
    """
    ended = ended_tokens(uow, audience=audience)
    if len(ended) > MOST:
        raise too_long()
    return signed_list(keys, uow, {"iss": uow.settings.issuer, "jti": ended}, typ=DENY_LIST)


def count_ended_tokens(uow: UnitOfWork) -> int:
    """How many tokens the list of all names; where it is more than ``MOST``, validators get no list at all."""
    return sum(uow.connection.scalar(select(func.count()).select_from(one.subquery())) or 0 for one in _ended(uow))


def ended_tokens(uow: UnitOfWork, *, audience: str | None = None) -> dict[str, int]:
    """By ``jti``, when each token would have ended that is ended before its time; a few more than ``MOST`` at most.

    A token stays on for as long as some validator's clock may say that it lives.
    """
    ended: dict[str, int] = {}
    for query in _ended(uow, audience):
        for jti, end in uow.connection.execute(query.limit(MOST + 1)):
            ended[jti] = max(end, ended.get(jti, 0))
    return ended


def _ended(uow: UnitOfWork, audience: str | None = None) -> tuple[Select[str, int], Select[str, int]]:
    since = uow.now - uow.settings.clock_leeway - CLOCK_STEP
    of_audience = [] if audience is None else [access_tokens.c.audience == audience]
    revoked = select(access_tokens.c.jti, access_tokens.c.expires_at).where(
        access_tokens.c.revoked_at.is_not(None), access_tokens.c.expires_at > since, *of_audience
    )
    of_apps = (
        select(access_tokens.c.jti, app_tokens.c.exp)
        .join(access_tokens, access_tokens.c.digest == app_tokens.c.digest)
        .where(app_tokens.c.exp > since, ended_early, has_ended(uow.now), *of_audience)
    )
    return revoked, of_apps


def has_ended(now: int) -> ColumnElement[bool]:
    """Whether an app token that ends early has done so: it was revoked, or its overlap with its successor is over."""
    return or_(app_tokens.c.revoked_at.is_not(None), app_tokens.c.expires_at <= now)
