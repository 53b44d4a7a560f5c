"""Whether the sender of a token proves what the token is bound to (RFC 8705 section 3, RFC 9449 section 7)."""

from collections.abc import Collection
from dataclasses import dataclass

from roomkey.concurrency.steps import Steps
from roomkey.errors import ConfigurationError
from roomkey.jose.reasons import refused
from roomkey.resource_server.confirmation import Confirmation
from roomkey.resource_server.dpop import DPoP
from roomkey.resource_server.dpop_proof import DPoPRequest


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
            raise refused("bound_to_no_key", "cnf")
        proof = dpop.judge(presented, token, keys, now=now)
    for one in bonds:
        one.check(certificate=sender.certificate, key=None if proof is None else proof.key)
    if dpop is not None and presented is not None and proof is not None:
        yield from dpop.spending(presented, proof, now=now)
