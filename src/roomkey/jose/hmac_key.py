"""A secret that two share and that signs compact JWTs by HMAC (RFC 7515 section 3.1, RFC 7518 section 3.2)."""

import hmac
from collections.abc import Mapping
from typing import Any, Final, final

from roomkey.errors import ConfigurationError
from roomkey.jose.compact import segment_of, write_compact
from roomkey.secret import Confidential

_SHORTEST: Final = 32


@final
class SharedKey(Confidential):
    """Signs by HS256; ``algorithm`` says so. It has no ``kid``: it is never published. Its repr shows nothing of it.

    Safe in any thread; does no I/O.
    """

    __slots__ = ("_secret", "algorithm")

    def __init__(self, secret: bytes) -> None:
        """Sign with ``secret``, at least 32 bytes; raises ConfigurationError."""
        self._secret = secret
        self.algorithm = "HS256"
        short = len(secret) < _SHORTEST
        del secret
        if short:
            raise ConfigurationError(f"A shared secret for HS256 has at least {_SHORTEST} bytes.")

    def sign(self, claims: Mapping[str, Any], *, typ: str = "JWT") -> str:
        """``claims`` as a compact JWT."""
        return write_compact(segment_of({"alg": self.algorithm, "typ": typ}), claims, self.signature)

    def signature(self, data: bytes) -> bytes:
        """The HMAC of ``data``."""
        return hmac.digest(self._secret, data, "sha256")

    def __repr__(self) -> str:
        return "SharedKey(HS256)"
