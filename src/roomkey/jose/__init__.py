"""Signed tokens, verified strictly: compact form, keys, signature, claims (RFC 7515, 7517, 7519, 8725).

``verify_compact`` and ``KeySet`` are loaded when they are first used: the rest of roomkey reads JSON from here without
cryptography.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from roomkey.jose.jwks.key_set import KeySet as KeySet
    from roomkey.jose.jwks.local import KeySetState as KeySetState
    from roomkey.jose.jwks.local import KeySetStatus as KeySetStatus
    from roomkey.jose.jwks.local import RejectedKey as RejectedKey
    from roomkey.jose.jwks.remote import KeySetLimits as KeySetLimits
    from roomkey.jose.verify import verify_compact as verify_compact
    from roomkey.jose.verify import verify_compact_async as verify_compact_async

_MODULE_OF: Final = {
    "KeySet": "jwks.key_set",
    "KeySetLimits": "jwks.remote",
    "KeySetState": "jwks.local",
    "KeySetStatus": "jwks.local",
    "RejectedKey": "jwks.local",
    "verify_compact": "verify",
    "verify_compact_async": "verify",
}

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605 - one list of names, above


def __getattr__(name: str) -> Any:
    known = name if name in _MODULE_OF else import_module("roomkey").renamed(__name__, name)
    if known is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[known]}"), known)
