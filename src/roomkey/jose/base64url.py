"""base64url without padding, in its one canonical form (RFC 7515 section 2; pure)."""

import binascii
from typing import Final

# The alphabet of plain base64 becomes a character that the decoder rejects, and so does padding.
_TO_PLAIN: Final = bytes.maketrans(b"-_+/=", b"+/\0\0\0")
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_PADDING: Final = (b"", b"", b"==", b"=")
# What a last character may be, by the number of characters in the last group: its unused bits are zero.
_LAST: Final = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")


def decode(text: bytes) -> bytes | None:
    """Return the bytes that ``text`` encodes, or None where it is not the one form that ``encode`` writes."""
    rest = len(text) & 3
    if rest and text[-1] not in _LAST[rest]:
        return None
    try:
        return binascii.a2b_base64(text.translate(_TO_PLAIN) + _PADDING[rest], strict_mode=True)
    except binascii.Error:
        return None


def encode(data: bytes) -> bytes:
    """Return ``data`` as base64url without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=")
