"""Deny list: the ``jti`` of every token that was revoked before its ``exp``, until that time has come."""

import math
from typing import Final

from sqlalchemy import ColumnElement, Select, func, or_, select

from roomkey.authorization_server.keys.key_record import CLOCK_STEP
from roomkey.authorization_server.keys.published_keys import SigningKeyCache
from roomkey.authorization_server.lists.signed_list import signed_list, too_long
from roomkey.authorization_server.schema.tokens import access_tokens, app_tokens, revoked_or_rotated
from roomkey.authorization_server.tokens.issue import JTI_LENGTH
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.cacheable import CacheableDocument
from roomkey.resource_server.revocation import DENY_LIST
from roomkey.resource_server.revocation_list import LARGEST_LIST

_ENTRY: Final = math.ceil((JTI_LENGTH + len('"":1234567890,')) * 4 / 3)
"""Bytes that a token's ``jti`` and ``exp`` take in the signed list, which is base64url."""

_REST: Final = 2048

MAX_DENIED: Final = (LARGEST_LIST - _REST) // _ENTRY
"""Number of tokens that the list can hold: validators read no more than 1 MiB."""


def deny_list(keys: SigningKeyCache, uow: UnitOfWork, *, audience: str | None = None) -> CacheableDocument:
    """Return the signed list of all revoked tokens, or of those for one ``audience``.

    Opaque tokens are on it as well: the database does not say which tokens are opaque, and it does no harm. Raises
    OAuthError (503) where there are too many.
    """
    revoked = revoked_tokens(uow, audience=audience)
    if len(revoked) > MAX_DENIED:
        raise too_long()
    return signed_list(keys, uow, {"iss": uow.settings.issuer, "jti": revoked}, typ=DENY_LIST)


def count_revoked_tokens(uow: UnitOfWork) -> int:
    """Return the length of the list of all audiences; above ``MAX_DENIED`` it is not published."""
    return sum(uow.connection.scalar(select(func.count()).select_from(one.subquery())) or 0 for one in _revoked(uow))


def revoked_tokens(uow: UnitOfWork, *, audience: str | None = None) -> dict[str, int]:
    """Return the ``exp`` of each revoked token by its ``jti``; a few more than ``MAX_DENIED`` at most.

    A token stays on the list for as long as the clock of some validator may be before its ``exp``.
    """
    revoked: dict[str, int] = {}
    for query in _revoked(uow, audience):
        for jti, expiry in uow.connection.execute(query.limit(MAX_DENIED + 1)):
            revoked[jti] = max(expiry, revoked.get(jti, 0))
    return revoked


def _revoked(uow: UnitOfWork, audience: str | None = None) -> tuple[Select[str, int], Select[str, int]]:
    since = uow.now - uow.settings.clock_leeway - CLOCK_STEP
    of_audience = [] if audience is None else [access_tokens.c.audience == audience]
    access = select(access_tokens.c.jti, access_tokens.c.expires_at).where(
        access_tokens.c.revoked_at.is_not(None), access_tokens.c.expires_at > since, *of_audience
    )
    apps = (
        select(access_tokens.c.jti, app_tokens.c.exp)
        .join(access_tokens, access_tokens.c.digest == app_tokens.c.digest)
        .where(app_tokens.c.exp > since, revoked_or_rotated, has_ended(uow.now), *of_audience)
    )
    return access, apps


def has_ended(now: int) -> ColumnElement[bool]:
    """Return the condition that an app token is over before its ``exp``: revoked, or rotated and its overlap past."""
    return or_(app_tokens.c.revoked_at.is_not(None), app_tokens.c.expires_at <= now)
