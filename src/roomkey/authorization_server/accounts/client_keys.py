"""The public keys by which a client proves itself with private_key_jwt (RFC 7523, RFC 7517; pure)."""

import json
from typing import Any, Final

from roomkey.authorization_server.errors import Invalid
from roomkey.jose import strict_json
from roomkey.jose.verification_key import UnusableKey, read_jwk

_LARGEST: Final = 16_384
_MOST: Final = 10
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def checked_jwks(text: str) -> str:
    """``text``, a JWK set or one JWK, as it is kept; raises Invalid.

    Every key in it must be public and usable: one that would be put aside later is better refused now.
    """
    data = text.encode("utf-8", "surrogatepass")
    document = strict_json.read_object(data) if len(data) <= _LARGEST else None
    if document is None:
        raise _invalid("must be a JSON object of at most 16 KiB, with no member twice")
    keys = [document] if "kty" in document else document.get("keys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= _MOST:
        raise _invalid(f"must be a JWK, or a JWK set with 1 to {_MOST} keys")
    for position, jwk in enumerate(keys):
        _check(jwk, position)
    return json.dumps({"keys": keys}, separators=(",", ":"), sort_keys=True)


def _check(jwk: Any, position: int) -> None:
    if isinstance(jwk, dict) and _PRIVATE & jwk.keys():
        raise _invalid(
            f"hold a private or secret key at position {position}; give its public half, and make a new key if this "
            "one has been seen by others"
        )
    try:
        read_jwk(jwk, published=True)
    except UnusableKey as refusal:
        reason = refusal.reason
    else:
        return
    raise _invalid(f"hold a key at position {position} that cannot be used: {reason}")


def _invalid(problem: str) -> Invalid:
    return Invalid(f"The keys (jwks) {problem}.", field="jwks")
