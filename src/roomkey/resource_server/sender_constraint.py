"""Whether the sender of a token proves what the token is bound to (RFC 8705 section 3, RFC 9449 section 7)."""

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from roomkey.concurrency.steps import Steps
from roomkey.errors import ConfigurationError
from roomkey.jose import base64url
from roomkey.jose.reasons import invalid_token
from roomkey.resource_server.dpop import DPoP
from roomkey.resource_server.dpop_proof import DPoPRequest


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
            raise invalid_token("bound_to_a_key", "cnf")
        if self.certificate is not None:
            shown = "" if certificate is None else base64url.encode(hashlib.sha256(certificate).digest()).decode()
            if not hmac.compare_digest(self.certificate.encode(), shown.encode()):
                raise invalid_token("bound_to_a_certificate", "cnf")


def read_confirmation(claims: Mapping[str, Any]) -> Confirmation | None:
    """What ``cnf`` asks for, or None where it is absent; raises InvalidToken where it asks for something unknown."""
    value = claims.get("cnf")
    if value is None and "cnf" not in claims:
        return None
    if not isinstance(value, Mapping) or not value or not value.keys() <= {"jkt", "x5t#S256"}:
        raise invalid_token("claim_malformed", "cnf")
    if not all(isinstance(one, str) and one for one in value.values()):
        raise invalid_token("claim_malformed", "cnf")
    return Confirmation(certificate=value.get("x5t#S256"), key=value.get("jkt"))


@dataclass(frozen=True, slots=True)
class Sender:
    """What came with a token beside it.

    Attributes:
        certificate: the client's certificate of the TLS connection, in DER, or None.
        proof: what the request shows of DPoP, where the token was sent by that scheme; None for a bearer token.
    """

    certificate: bytes | None = None
    proof: DPoPRequest | None = None


def proving(
    token: str, bonds: Collection[Confirmation], sender: Sender, dpop: DPoP | None, *, now: float
) -> Steps[None]:
    """Raise unless ``sender`` proves all that ``bonds`` ask for; ``now`` is in seconds since 1970.

    A proof is judged when all else of the token is known to be good, and spent last of all: only who has a bound token
    and its key can fill the store of used proofs.
    """
    presented, proof = sender.proof, None
    if presented is not None:
        if dpop is None:
            raise ConfigurationError("proof= needs a TokenValidator with dpop=DPoP(...).")
        keys = {one.key for one in bonds if one.key is not None}
        if not keys:
            raise invalid_token("bound_to_no_key", "cnf")
        proof = dpop.judge(presented, token, keys, now=now)
    for one in bonds:
        one.check(certificate=sender.certificate, key=None if proof is None else proof.key)
    if dpop is not None and presented is not None and proof is not None:
        yield from dpop.spending(presented, proof, now=now)
