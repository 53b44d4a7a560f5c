"""A client that proves itself by a JWT at a test issuer (RFC 7523 section 3)."""

import json
from collections.abc import Collection
from typing import Final

from roomkey.errors import InvalidToken
from roomkey.jose.jwks.key_set import KeySet
from roomkey.jose.verification_key import ALGORITHMS
from roomkey.jose.verify import verify_compact

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def proof_identifier(
    assertion: str, keys: KeySet, *, client_id: str, servers: Collection[str], now: float
) -> str | None:
    """The ``jti`` of ``assertion`` where one of ``keys`` signed it for ``client_id`` and one of ``servers``, else None.

    ``now`` is in seconds since 1970; it must have been made within the minute before and end within ten after that.
    Blocks only on a fetch of ``keys``.
    """
    try:
        claims = json.loads(verify_compact(assertion, keys, algorithms=ALGORITHMS))
        names = (claims["iss"], claims["sub"], claims["aud"])
        issued, ends, jti = float(claims["iat"]), float(claims["exp"]), str(claims["jti"])
    except (InvalidToken, ValueError, TypeError, KeyError):
        return None
    good = names[:2] == (client_id, client_id) and names[2] in servers and now - 60 <= issued <= now + 5
    return jti if good and now < ends <= now + 600 else None
