"""DPoP for an API: the rules for its clients' proofs, and that each proof is accepted once (RFC 9449 section 7)."""

import hashlib
import logging
import math
from collections.abc import Collection, Iterable
from typing import Final, final

from roomkey.concurrency.fork import Forkable, forkables
from roomkey.concurrency.single_flight import Flight, Workers
from roomkey.concurrency.steps import Steps
from roomkey.errors import ConfigurationError, ReplayUnknown, StoreUnavailable
from roomkey.jose.claims import LONGEST_LEEWAY
from roomkey.jose.verification_key import ALGORITHMS, SYMMETRIC, allowed_algorithms
from roomkey.resource_server.dpop_proof import (
    DPoPRequest,
    Nonces,
    ProofRules,
    VerifiedProof,
    invalid_proof,
    read_origins,
)
from roomkey.resource_server.replay_store import MemoryReplayStore, ReplayStore
from roomkey.secret import Secret

_log = logging.getLogger("roomkey")
_SHORTEST_SECRET: Final = 32
_LONGEST_LIFETIME: Final = 3600.0
_STORE_SECONDS: Final = 2.0
_RETRY_AFTER: Final = 5.0


@final
class DPoP(Forkable):
    """How an API accepts tokens that are bound to a key of their sender: ``TokenValidator(..., dpop=DPoP(...))``.

    Parameters:
        origins: scheme, host and port of the API's URLs, one or several, as in ``htu`` of the proofs. A request's own
            Host header is ignored.
        algorithms: what proofs may be signed with; by default every asymmetric one.
        lifetime: seconds after its ``iat`` in which a proof is accepted, up to an hour.
        leeway: seconds by which clocks may differ, 0 to 300.
        nonce_secret: with it, proofs must carry a nonce of the API (``use_dpop_nonce``). At least 32 characters, the
            same in every process of the API; it is read now, and may block.
        nonce_lifetime: seconds until the next nonce; each is accepted until the one after it has expired.
        replays: where used proofs are kept; by default in this process's memory, which other processes do not share.

    Raises ConfigurationError, TypeError and ValueError. Safe in any thread, in asyncio and trio, and after a fork.

    Attributes:
        algorithms: what proofs may be signed with, for challenges and metadata.

    >>> validator = TokenValidator(
    ...     issuer="https://auth.example", audience="orders-api", dpop=DPoP("https://orders.example")
    ... )  # doctest: +SKIP
    """

    __slots__ = ("_down", "_leeway", "_replays", "_rules", "_workers", "algorithms")

    def __init__(
        self,
        origins: str | Iterable[str],
        *,
        algorithms: Iterable[str] | None = None,
        lifetime: float = 60.0,
        leeway: float = 15.0,
        nonce_secret: Secret | str | None = None,
        nonce_lifetime: float = 300.0,
        replays: ReplayStore | None = None,
    ) -> None:
        allowed = ALGORITHMS - set(SYMMETRIC) if algorithms is None else allowed_algorithms(algorithms)
        if allowed & set(SYMMETRIC):
            raise ConfigurationError(
                "algorithms= of DPoP must be asymmetric: a proof's key is sent with it, for all to see."
            )
        _check_seconds("lifetime", lifetime, 1.0, _LONGEST_LIFETIME)
        _check_seconds("leeway", leeway, 0.0, LONGEST_LEEWAY)
        _check_seconds("nonce_lifetime", nonce_lifetime, 1.0, _LONGEST_LIFETIME)
        nonces = None
        if nonce_secret is not None:
            nonce_secret = Secret.of(nonce_secret)
            nonces = _nonces(nonce_secret, nonce_lifetime)
            if nonces is None:
                raise ConfigurationError(
                    f"nonce_secret= must have at least {_SHORTEST_SECRET} characters; make a new one."
                )
        self.algorithms = tuple(sorted(allowed))
        self._leeway = leeway
        self._rules = ProofRules(
            origins=read_origins(origins), algorithms=allowed, lifetime=lifetime, leeway=leeway, nonces=nonces
        )
        self._replays: ReplayStore = MemoryReplayStore() if replays is None else replays
        self._workers = Workers()
        self._down = False
        forkables[id(self)] = self

    def verify_proof(self, request: DPoPRequest, token: str, keys: Collection[str], *, now: float) -> VerifiedProof:
        """Return the proof of a request for ``token``, not consumed yet; see ``ProofRules.verify``. Pure.

        One that was consumed for this very request stays valid for it.
        """
        consumed = request.consumed.get(self._rules)
        if consumed is not None and consumed.token == hashlib.sha256(token.encode()).digest():
            return consumed
        return self._rules.verify(request, token, keys, now=now)

    def consume(self, request: DPoPRequest, proof: VerifiedProof, *, now: float) -> Steps[None]:
        """Consume ``proof``: from then on it is valid for its request only; raises InvalidDPoPProof, ReplayUnknown."""
        if request.consumed.get(self._rules) is proof:
            return
        if isinstance(self._replays, MemoryReplayStore):
            first = self._first(proof, now)
        else:
            flight = Flight(lambda: self._first(proof, now))
            flight.start(self._workers)
            first = yield flight.within(_STORE_SECONDS)
        if first is None:
            raise ReplayUnknown(
                "The DPoP proof cannot be checked for replay now; try again later.",
                reason="replay_store",
                retry_after=_RETRY_AFTER,
            )
        if not first:
            raise invalid_proof("replayed")
        request.consumed[self._rules] = proof

    def _first(self, proof: VerifiedProof, now: float) -> bool | None:
        """Return True where ``proof`` was not used before, or None where the store fails."""
        try:
            # Another process, whose clock is late, accepts it for a little longer.
            first = self._replays.spend(proof.digest, until=proof.until + self._leeway, now=now) is True
        except Exception as error:  # noqa: BLE001 - an API's own store may raise anything; the proof is rejected then
            detail = str(error) if isinstance(error, StoreUnavailable) else type(error).__name__
            if not self._down:
                _log.warning("DPoP proofs are rejected, for their replay store cannot be used: %s", detail)
            self._down = True
            return None
        self._down = False
        return first

    def after_fork_in_child(self) -> None:
        """Replace the threads."""
        self._workers = Workers()

    def __repr__(self) -> str:
        return f"DPoP({', '.join(sorted(self._rules.origins))})"


def _nonces(secret: Secret, lifetime: float) -> Nonces | None:
    """Return None where ``secret`` is too short: an error's frames would hold it."""
    key = secret.reveal().encode()
    return None if len(key) < _SHORTEST_SECRET else Nonces(key, lifetime)


def _check_seconds(name: str, value: float, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{name}= must be a number of seconds")
    if not least <= value <= most:
        raise ValueError(f"{name}= must be a number of seconds from {least:g} to {most:g}")
