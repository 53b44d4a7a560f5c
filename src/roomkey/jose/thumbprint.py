"""The name that a public key has by what it is (RFC 7638; pure)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from roomkey.jose import base64url

_REQUIRED: Final = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of ``jwk``, in base64url; it must be one that ``read_jwk`` takes as a public key."""
    required = {name: jwk[name] for name in _REQUIRED[jwk["kty"]]}
    digest = hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest()
    return base64url.encode(digest).decode()
