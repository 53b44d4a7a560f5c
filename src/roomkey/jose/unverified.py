"""A look into a JWT without judging it: for people, for lifetimes, never for decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from roomkey.jose import base64url, strict_json
from roomkey.jose.compact import LARGEST_TOKEN


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """Header and claims as they stand in a token that nobody has verified."""

    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)


def read_unverified(token: str) -> UnverifiedToken | None:
    """Header and claims of ``token``, or None where it is not a JWT of at most 16 KiB; never raises, does no I/O.

    The form is that of ``read_compact``, but any header will do, and a signature may be missing.
    """
    if len(token) > LARGEST_TOKEN or token.count(".") != 2 or not token.isascii():
        return None
    parts = [base64url.decode(segment) for segment in token.encode().split(b".")]
    header, claims = (None if part is None else strict_json.read_object(part) for part in parts[:2])
    return None if header is None or claims is None or parts[2] is None else UnverifiedToken(header, claims)
