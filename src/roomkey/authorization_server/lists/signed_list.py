"""Revocation list as a signed JWT that validators may use for a while (RFC 7515)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from roomkey.authorization_server.keys.published_keys import SigningKeyCache
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.cacheable import CacheableDocument
from roomkey.authorization_server.web.oauth_error import OAuthError
from roomkey.resource_server.revocation_list import LARGEST_LIST

LIFETIME: Final = 900
"""Seconds that a list may be used: long enough for an outage, and for a validator's clock that is 5 minutes off."""

_CACHE_MAX_AGE: Final = 5


def signed_list(keys: SigningKeyCache, uow: UnitOfWork, claims: Mapping[str, Any], *, typ: str) -> CacheableDocument:
    """Return ``claims`` with iat, exp and ttl, signed by the ES256 key.

    Its ETag stays the same while the claims do, until a quarter of its lifetime is over. Raises OAuthError (503) where
    the list is larger than validators read.
    """
    signing = keys.load(uow).signing["ES256"]
    dates = {"iat": uow.now, "exp": uow.now + LIFETIME, "ttl": uow.settings.list_ttl}
    token = signing.sign({**claims, **dates}, typ=typ)
    if len(token) > LARGEST_LIST:
        raise too_long()
    content = json.dumps([claims, signing.key_id, uow.now // (LIFETIME // 4)], sort_keys=True)
    etag = f'W/"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'
    return CacheableDocument(token.encode("ascii"), f"application/{typ}", etag, _CACHE_MAX_AGE)


def too_long() -> OAuthError:
    """Return the error for a list with too many tokens: an incomplete list would let revoked tokens in."""
    return OAuthError(
        "temporarily_unavailable",
        "There are more revoked tokens than one list can hold. Validators may use /oauth2/deny-list?audience=…, the "
        "status list or introspection.",
        retry_after=60,
    )
