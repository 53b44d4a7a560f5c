"""Token Status List: one bit for each app token, set once it is revoked (draft-ietf-oauth-status-list)."""

import zlib
from typing import Any, Final

from sqlalchemy import func, select

from roomkey.authorization_server.keys.key_record import CLOCK_STEP
from roomkey.authorization_server.keys.published_keys import SigningKeyCache
from roomkey.authorization_server.lists.deny_list import has_ended
from roomkey.authorization_server.lists.signed_list import signed_list, too_long
from roomkey.authorization_server.schema.tokens import app_tokens, revoked_or_rotated
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.cacheable import CacheableDocument
from roomkey.jose import base64url
from roomkey.resource_server.status_list import LARGEST_INFLATED, STATUS_LIST

_SPARE: Final = 1024
"""Bytes beyond the newest token, so that a token issued after a validator's last poll has its bit in the list."""


def status_list_uri(settings: Settings) -> str:
    """Return the list's URL, as tokens and the list itself name it."""
    return f"{settings.issuer}/oauth2/status-list"


def status_claim(settings: Settings, status_index: int) -> dict[str, Any]:
    """Return the ``status`` claim of the app token with ``status_index``."""
    return {"status_list": {"idx": status_index, "uri": status_list_uri(settings)}}


def status_list(keys: SigningKeyCache, uow: UnitOfWork) -> CacheableDocument:
    """Return the signed list; raises OAuthError (503) above 33 million tokens, which validators would not read."""
    lst = base64url.encode(zlib.compress(statuses(uow), 9)).decode()
    claims = {
        "iss": uow.settings.issuer,
        "sub": status_list_uri(uow.settings),
        "status_list": {"bits": 1, "lst": lst},
    }
    return signed_list(keys, uow, claims, typ=STATUS_LIST)


def statuses(uow: UnitOfWork) -> bytes:
    """Return the bits, the lowest of each byte first; 1 for an app token that was revoked before its ``exp``."""
    newest = uow.connection.scalar(select(func.max(app_tokens.c.status_index)))
    size = (0 if newest is None else newest // 8) // _SPARE * _SPARE + 2 * _SPARE
    if size > LARGEST_INFLATED:
        raise too_long()
    bits = bytearray(size)
    since = uow.now - uow.settings.clock_leeway - CLOCK_STEP
    revoked = select(app_tokens.c.status_index).where(app_tokens.c.exp > since, revoked_or_rotated, has_ended(uow.now))
    for index in uow.connection.scalars(revoked):
        bits[index // 8] |= 1 << index % 8
    return bytes(bits)
