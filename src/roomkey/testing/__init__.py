"""For your own tests: a real issuer and a real API on loopback, a clock that you move, a search for leaked secrets.

>>> from roomkey.testing import Issuer, ProtectedAPI
>>> with Issuer(lifetime=5) as issuer, ProtectedAPI(issuer) as api:
...     token = issuer.issue()
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from roomkey.testing.api import APIRequest as APIRequest
    from roomkey.testing.api import ProtectedAPI as ProtectedAPI
    from roomkey.testing.attacks import AttackToken as AttackToken
    from roomkey.testing.attacks import attack_tokens as attack_tokens
    from roomkey.testing.clock import FakeClock as FakeClock
    from roomkey.testing.dpop_key import DPoPKey as DPoPKey
    from roomkey.testing.issuer import Issuer as Issuer
    from roomkey.testing.issuer_keys import IssuerKeys as IssuerKeys
    from roomkey.testing.leaks import Leak as Leak
    from roomkey.testing.leaks import LeakDetector as LeakDetector
    from roomkey.testing.process import ServerProcess as ServerProcess
    from roomkey.testing.published_lists import PublishedLists as PublishedLists
    from roomkey.testing.serve import Counts as Counts
    from roomkey.testing.serve import Settings as Settings
    from roomkey.testing.token_endpoint import TokenRequest as TokenRequest

_HOMES: Final = {
    "APIRequest": "api",
    "AttackToken": "attacks",
    "IssuerKeys": "issuer_keys",
    "PublishedLists": "published_lists",
    "attack_tokens": "attacks",
    "ProtectedAPI": "api",
    "Leak": "leaks",
    "LeakDetector": "leaks",
    "DPoPKey": "dpop_key",
    "FakeClock": "clock",
    "Issuer": "issuer",
    "ServerProcess": "process",
    "Counts": "serve",
    "Settings": "serve",
    "TokenRequest": "token_endpoint",
}

__all__ = [
    "APIRequest",
    "AttackToken",
    "Counts",
    "DPoPKey",
    "FakeClock",
    "Issuer",
    "IssuerKeys",
    "Leak",
    "LeakDetector",
    "ProtectedAPI",
    "PublishedLists",
    "ServerProcess",
    "Settings",
    "TokenRequest",
    "attack_tokens",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
