"""The status list: one bit for each app token, set once it is ended (draft-ietf-oauth-status-list)."""

import zlib
from typing import Any, Final

from sqlalchemy import func, select

from roomkey.authorization_server.keys.key_record import CLOCK_STEP
from roomkey.authorization_server.keys.published_keys import PublishedSigningKeys
from roomkey.authorization_server.lists.deny_list import has_ended
from roomkey.authorization_server.lists.signed_list import signed_list, too_long
from roomkey.authorization_server.schema.tokens import app_tokens, ended_early
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.cacheable import Published
from roomkey.jose import base64url
from roomkey.resource_server.status_list import LARGEST_INFLATED, STATUS_LIST

_SPARE: Final = 1024
"""Bytes beyond the newest token: one that is made after a validator has looked has its place in the list already."""


def status_list_uri(settings: Settings) -> str:
    """Where the list is, as tokens and the list itself name it."""
    return f"{settings.issuer}/oauth2/status-list"


def status_claim(settings: Settings, status_index: int) -> dict[str, Any]:
    """The ``status`` claim of the app token with ``status_index``."""
    return {"status_list": {"idx": status_index, "uri": status_list_uri(settings)}}


def status_list(keys: PublishedSigningKeys, uow: UnitOfWork) -> Published:
    """The list as it is now; raises OAuthError (503) where validators would not read it (beyond 33 million tokens)."""
    packed = statuses(uow)
    lst = base64url.encode(zlib.compress(packed, 9)).decode()
    claims = {
        "iss": uow.settings.issuer,
        "sub": status_list_uri(uow.settings),
        "status_list": {"bits": 1, "lst": lst},
    }
    return signed_list(keys, uow, claims, typ=STATUS_LIST)


def statuses(uow: UnitOfWork) -> bytes:
    """The bits, the lowest of each byte first; 1 for an app token that ended before the end that it bears itself."""
    newest = uow.connection.scalar(select(func.max(app_tokens.c.status_index)))
    size = (0 if newest is None else newest // 8) // _SPARE * _SPARE + 2 * _SPARE
    if size > LARGEST_INFLATED:
        raise too_long()
    packed = bytearray(size)
    since = uow.now - uow.settings.clock_leeway - CLOCK_STEP
    ended = select(app_tokens.c.status_index).where(app_tokens.c.exp > since, ended_early, has_ended(uow.now))
    for index in uow.connection.scalars(ended):
        packed[index // 8] |= 1 << index % 8
    return bytes(packed)
