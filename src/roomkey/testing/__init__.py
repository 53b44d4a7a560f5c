"""For your own tests: an issuer and a protected API on loopback, a clock to move, tokens to reject, a DPoP key.

>>> from roomkey.testing import Issuer, ProtectedAPI
>>> with Issuer(lifetime=5) as issuer, ProtectedAPI(issuer) as api:
...     token = issuer.issue()

``roomkey.testing.fixtures`` has them as pytest fixtures, ``roomkey.testing.store_conformance`` is a suite for stores.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from roomkey import renamed

if TYPE_CHECKING:
    from roomkey.testing.attacks import AttackToken as AttackToken
    from roomkey.testing.attacks import attack_tokens as attack_tokens
    from roomkey.testing.clock import FakeClock as FakeClock
    from roomkey.testing.dpop_key import DPoPKey as DPoPKey
    from roomkey.testing.faults import FaultyServer as FaultyServer
    from roomkey.testing.issuer import Issuer as Issuer
    from roomkey.testing.issuer_keys import IssuerKeys as IssuerKeys
    from roomkey.testing.loopback import LoopbackRequest as LoopbackRequest
    from roomkey.testing.loopback import LoopbackResponse as LoopbackResponse
    from roomkey.testing.protected_api import APIRequest as APIRequest
    from roomkey.testing.protected_api import ProtectedAPI as ProtectedAPI
    from roomkey.testing.token_endpoint import RecordedTokenRequest as RecordedTokenRequest

_MODULE_OF: Final = {
    "APIRequest": "protected_api",
    "AttackToken": "attacks",
    "DPoPKey": "dpop_key",
    "FakeClock": "clock",
    "FaultyServer": "faults",
    "Issuer": "issuer",
    "IssuerKeys": "issuer_keys",
    "LoopbackRequest": "loopback",
    "LoopbackResponse": "loopback",
    "ProtectedAPI": "protected_api",
    "RecordedTokenRequest": "token_endpoint",
    "attack_tokens": "attacks",
}

__all__ = sorted(_MODULE_OF)  # noqa: PLE0605 - one list of names, above


def __getattr__(name: str) -> Any:
    current = name if name in _MODULE_OF else renamed(__name__, name)
    if current is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[current]}"), current)
