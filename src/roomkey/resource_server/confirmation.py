"""Tokens that are bound to a key or a certificate and are worth nothing in other hands (RFC 7800, 8705, 9449; pure)."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roomkey.jose import base64url
from roomkey.jose.reasons import refused


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the sender of a token must prove.

    Attributes:
        certificate: SHA-256 thumbprint of the client's certificate (``x5t#S256``), or None.
        key: thumbprint of the key of a DPoP proof (``jkt``, RFC 7638), or None.
    """

    certificate: str | None = None
    key: str | None = None

    def check(self, *, certificate: bytes | None, key: str | None) -> None:
        """Raise InvalidToken unless the sender has proved all of it.

        ``certificate`` is the one of the TLS connection, in DER; ``key`` the thumbprint of a DPoP proof's key.
        """
        if self.key is not None and (key is None or not hmac.compare_digest(self.key.encode(), key.encode())):
            raise refused("bound_to_a_key", "cnf")
        if self.certificate is not None:
            shown = "" if certificate is None else base64url.encode(hashlib.sha256(certificate).digest()).decode()
            if not hmac.compare_digest(self.certificate.encode(), shown.encode()):
                raise refused("bound_to_a_certificate", "cnf")


def read_confirmation(claims: Mapping[str, Any]) -> Confirmation | None:
    """What ``cnf`` asks for, or None where it is absent; raises InvalidToken where it asks for something unknown."""
    value = claims.get("cnf")
    if value is None and "cnf" not in claims:
        return None
    if not isinstance(value, Mapping) or not value or not value.keys() <= {"jkt", "x5t#S256"}:
        raise refused("claim_malformed", "cnf")
    if not all(isinstance(one, str) and one for one in value.values()):
        raise refused("claim_malformed", "cnf")
    return Confirmation(certificate=value.get("x5t#S256"), key=value.get("jkt"))
