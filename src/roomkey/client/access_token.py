"""An access token as the application sees it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, final

from roomkey.clock import Clock
from roomkey.jose.compact import read_unverified
from roomkey.secret import Confidential, fingerprint


@final
class AccessToken(Confidential):
    """An access token with what is known of it; ``repr``, ``str`` and ``format`` show a fingerprint only.

    Never pickled. Safe in any thread and event loop; nothing here does I/O.
    """

    __slots__ = ("_clock", "_end", "_scope", "_token_type", "_value")

    def __init__(self, value: str, *, token_type: str, scope: str | None, end: float, clock: Clock) -> None:
        """Hold ``value`` until the monotonic second ``end``."""
        self._value = value
        self._token_type = token_type
        self._scope = scope
        self._end = end
        self._clock = clock

    @property
    def value(self) -> str:
        """The token itself: hand it to the API and to nobody else."""
        return self._value

    @property
    def token_type(self) -> str:
        """``Bearer``, or the scheme that a custom login declares."""
        return self._token_type

    @property
    def scope(self) -> str | None:
        """The scope that was granted, as space-separated words; None where the server did not say."""
        return self._scope

    @property
    def expires_in(self) -> float:
        """Seconds until the end of its life, 0 when it is over."""
        return max(0.0, self._end - self._clock.monotonic())

    @property
    def claims_unverified(self) -> Mapping[str, Any]:
        """The claims of a JWT, **not verified**: to look at, never to decide by. Empty for an opaque token."""
        token = read_unverified(self._value)
        return MappingProxyType({} if token is None else dict(token.claims))

    def __repr__(self) -> str:
        return f"AccessToken({self._token_type} {fingerprint(self._value)}…, expires in {self.expires_in:.0f} s)"
