"""A list of ended tokens as it is published: a JWT that validators may use for a while (RFC 7515)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from roomkey.authorization_server.keys.published_keys import PublishedSigningKeys
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.cacheable import Published
from roomkey.authorization_server.web.oauth_error import OAuthError
from roomkey.resource_server.list_token import LARGEST_LIST

LIFETIME: Final = 900
"""Seconds that a list may be used: a validator gets over an outage, and over a clock that is 5 minutes off."""

_KEPT_BY_CACHES: Final = 5


def signed_list(keys: PublishedSigningKeys, uow: UnitOfWork, claims: Mapping[str, Any], *, typ: str) -> Published:
    """``claims`` with their dates, signed by the ES256 key; raises OAuthError (503) where validators would not read it.

    Its ETag stays the same while it says the same, until a quarter of its lifetime is over.
    """
    signing = keys.load(uow).signing["ES256"]
    dates = {"iat": uow.now, "exp": uow.now + LIFETIME, "ttl": uow.settings.list_ttl}
    token = signing.sign({**claims, **dates}, typ=typ)
    if len(token) > LARGEST_LIST:
        raise too_long()
    said = json.dumps([claims, signing.key_id, uow.now // (LIFETIME // 4)], sort_keys=True)
    etag = f'W/"{hashlib.sha256(said.encode()).hexdigest()[:32]}"'
    return Published(token.encode("ascii"), f"application/{typ}", etag, _KEPT_BY_CACHES)


def too_long() -> OAuthError:
    """A list that leaves somebody out would let revoked tokens in: validators must rather get none."""
    return OAuthError(
        "temporarily_unavailable",
        "There are more ended tokens than one list can hold. Validators may follow /oauth2/deny-list?audience=…, or "
        "the status list, or introspect.",
        retry_after=60,
    )
