"""DPoP for an API: what its callers' proofs must say, and that each of them counts once (RFC 9449 section 7)."""

import hashlib
import logging
import math
from collections.abc import Collection, Iterable
from typing import Final, final

from roomkey.concurrency.fork import Forkable, tell_of_forks
from roomkey.concurrency.single_flight import Flight, Workers
from roomkey.concurrency.steps import Steps
from roomkey.errors import ConfigurationError, ReplayUnknown, StoreUnavailable
from roomkey.jose.claims import LONGEST_LEEWAY
from roomkey.jose.verification_key import ALGORITHMS, SYMMETRIC, allowed_algorithms
from roomkey.resource_server.dpop_proof import DPoPRequest, Nonces, Proof, ProofRules, invalid_proof, read_origins
from roomkey.resource_server.replay_store import MemoryReplayStore, ReplayStore
from roomkey.secret import Secret

_log = logging.getLogger("roomkey")
_SHORTEST_SECRET: Final = 32
_LONGEST_LIFETIME: Final = 3600.0
_STORE_SECONDS: Final = 2.0
_RETRY_AFTER: Final = 5.0


@final
class DPoP(Forkable):
    """How an API takes tokens that are bound to a key of their holder: ``TokenValidator(..., dpop=DPoP(...))``.

    Parameters:
        origins: scheme, host and port by which callers address the API, one or several, as in ``htu`` of their proofs.
            What a request's own Host header says counts for nothing.
        algorithms: what proofs may be signed with; by default every asymmetric one.
        lifetime: seconds after its ``iat`` in which a proof is taken, up to an hour.
        leeway: seconds by which clocks may differ, 0 to 300.
        nonce_secret: with it, proofs must carry a nonce of the API (``use_dpop_nonce``). At least 32 characters, the
            same in every process of the API; it is read now, and may block.
        nonce_lifetime: seconds until the next nonce; each is good until the one after it has ended.
        replays: where used proofs are kept; by default in this process's memory, which other processes know nothing of.

    Raises ConfigurationError, TypeError and ValueError. Safe in any thread, in asyncio and trio, and after a fork.

    Attributes:
        algorithms: what proofs may be signed with, as challenges and metadata name it.

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
                "algorithms= of DPoP are asymmetric: a proof's key travels with it, for all to see."
            )
        _check_seconds("lifetime", lifetime, 1.0, _LONGEST_LIFETIME)
        _check_seconds("leeway", leeway, 0.0, LONGEST_LEEWAY)
        _check_seconds("nonce_lifetime", nonce_lifetime, 1.0, _LONGEST_LIFETIME)
        nonces = None
        if nonce_secret is not None:
            nonce_secret = Secret.of(nonce_secret)
            nonces = _nonces(nonce_secret, nonce_lifetime)
            if nonces is None:
                raise ConfigurationError(f"nonce_secret= has fewer than {_SHORTEST_SECRET} characters; make a new one.")
        self.algorithms = tuple(sorted(allowed))
        self._leeway = leeway
        self._rules = ProofRules(
            origins=read_origins(origins), algorithms=allowed, lifetime=lifetime, leeway=leeway, nonces=nonces
        )
        self._replays: ReplayStore = MemoryReplayStore() if replays is None else replays
        self._workers = Workers()
        self._down = False
        tell_of_forks(self)

    def judge(self, presented: DPoPRequest, token: str, keys: Collection[str], *, now: float) -> Proof:
        """The proof that a request brings for ``token``, not spent yet; see ``ProofRules.judge``. Pure.

        One that was spent for this very request is good still.
        """
        spent = presented.spent.get(self._rules)
        if spent is not None and spent.token == hashlib.sha256(token.encode()).digest():
            return spent
        return self._rules.judge(presented, token, keys, now=now)

    def spending(self, presented: DPoPRequest, proof: Proof, *, now: float) -> Steps[None]:
        """Spend ``proof``, which counts for its request alone from then on; raises InvalidDPoPProof, ReplayUnknown."""
        if presented.spent.get(self._rules) is proof:
            return
        if isinstance(self._replays, MemoryReplayStore):
            first = self._first(proof, now)
        else:
            flight = Flight(lambda: self._first(proof, now))
            flight.start(self._workers)
            first = yield flight.within(_STORE_SECONDS)
        if first is None:
            raise ReplayUnknown(
                "Whether the DPoP proof was used before cannot be told now.",
                reason="replay_store",
                retry_after=_RETRY_AFTER,
            )
        if not first:
            raise invalid_proof("replayed")
        presented.spent[self._rules] = proof

    def _first(self, proof: Proof, now: float) -> bool | None:
        """Whether nobody has spent ``proof`` before, or None where the store cannot tell."""
        try:
            # Another process, whose clock is late, takes it for a little longer.
            first = self._replays.spend(proof.mark, until=proof.until + self._leeway, now=now) is True
        except Exception as error:  # noqa: BLE001 - an API's own store may raise anything; whatever it is, it refuses
            said = str(error) if isinstance(error, StoreUnavailable) else type(error).__name__
            if not self._down:
                _log.warning("DPoP proofs are refused, for their store cannot be used: %s", said)
            self._down = True
            return None
        self._down = False
        return first

    def after_fork_in_child(self) -> None:
        """Make the threads anew."""
        self._workers = Workers()

    def __repr__(self) -> str:
        return f"DPoP({', '.join(sorted(self._rules.origins))})"


def _nonces(secret: Secret, lifetime: float) -> Nonces | None:
    """None where ``secret`` is too short: an error's frames would hold it."""
    key = secret.reveal().encode()
    return None if len(key) < _SHORTEST_SECRET else Nonces(key, lifetime)


def _check_seconds(name: str, value: float, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{name}= is a number of seconds")
    if not least <= value <= most:
        raise ValueError(f"{name}= is a number of seconds from {least:g} to {most:g}")
