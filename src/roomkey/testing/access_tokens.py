"""The access tokens of a test issuer: what they claim, and how they get into its books (RFC 9068)."""

import math
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from roomkey.testing.ledger import Grant

if TYPE_CHECKING:
    from roomkey.testing.issuer import Issuer


def access_claims(issuer: "Issuer", grant: Grant, lifetime: float) -> dict[str, Any]:
    """What a token for ``grant`` that lives ``lifetime`` seconds says."""
    now = issuer.wall()
    return {
        "iss": issuer.url,
        "sub": grant.subject,
        "aud": grant.audience[0] if len(grant.audience) == 1 else list(grant.audience),
        "client_id": grant.client_id,
        "scope": grant.scope,
        "jti": secrets.token_hex(16),
        "iat": math.floor(now),
        "exp": math.ceil(now + lifetime),
    }


def signed_access(
    issuer: "Issuer", claims: Mapping[str, Any], grant: Grant, lifetime: float, *, typ: str = "at+jwt"
) -> str:
    """A token with ``claims`` (those that are None left out), known to the issuer as one for ``grant``."""
    status = issuer.lists.reserve() if issuer.status_claims and "status" not in claims else None
    named = {**claims, "status": status} if status is not None else claims
    token = issuer.keys.sign({name: value for name, value in named.items() if value is not None}, typ=typ)
    if status is not None:
        issuer.lists.hold(status, token)
    return issuer.ledger.keep_access(token, grant, lifetime).value
