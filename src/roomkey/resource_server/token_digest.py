"""What a token is remembered by: all of its bytes count, none of them can be read from it (pure)."""

import hashlib

_sha256 = hashlib.sha256


def digest(token: str) -> bytes:
    """The SHA-256 of ``token``, which is ASCII."""
    return _sha256(token.encode()).digest()
