"""Sender-constrained tokens: what ``cnf`` binds a token to, and the sender's proof of it (RFC 7800, 8705, 9449)."""

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
class TokenConfirmation:
    """What the sender of a token must prove to have.

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
            sent = "" if certificate is None else base64url.encode(hashlib.sha256(certificate).digest()).decode()
            if not hmac.compare_digest(self.certificate.encode(), sent.encode()):
                raise invalid_token("bound_to_a_certificate", "cnf")


def read_confirmation(claims: Mapping[str, Any]) -> tuple[TokenConfirmation, ...]:
    """Return what ``cnf`` binds the token to, empty where it is absent.

    Members that are not known are ignored beside one that is (RFC 7800 section 3.1); raises InvalidToken where no
    known one binds the token.
    """
    if "cnf" not in claims:
        return ()
    value = claims["cnf"]
    if not isinstance(value, Mapping):
        raise invalid_token("claim_malformed", "cnf")
    known = [value[name] for name in ("jkt", "x5t#S256") if name in value]
    if not known or not all(isinstance(one, str) and one for one in known):
        raise invalid_token("claim_malformed", "cnf")
    return (TokenConfirmation(certificate=value.get("x5t#S256"), key=value.get("jkt")),)


def check_sender(
    token: str,
    confirmations: Collection[TokenConfirmation],
    certificate: bytes | None,
    proof: DPoPRequest | None,
    dpop: DPoP | None,
    *,
    now: float,
) -> Steps[None]:
    """Raise InvalidToken or InvalidDPoPProof unless the sender proves all ``confirmations``; ReplayUnknown.

    ``proof`` is None for a token of the scheme Bearer; ``now`` is in seconds since 1970. The proof is verified when all
    else of the token is known to be valid, and consumed last: only the holder of a bound token and its key can fill the
    replay store.
    """
    verified = None
    if proof is not None:
        if dpop is None:
            raise ConfigurationError("proof= needs a TokenValidator with dpop=DPoP(...).")
        keys = {one.key for one in confirmations if one.key is not None}
        if not keys:
            raise invalid_token("bound_to_no_key", "cnf")
        verified = dpop.verify_proof(proof, token, keys, now=now)
    for one in confirmations:
        one.check(certificate=certificate, key=None if verified is None else verified.key)
    if dpop is not None and proof is not None and verified is not None:
        yield from dpop.consume(proof, verified, now=now)
