"""A key set in memory: the keys that may verify a token, and the rejected ones with the reason (RFC 7517; pure)."""

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, final

from roomkey.errors import InvalidToken
from roomkey.jose.compact import LONGEST_KID, Header
from roomkey.jose.reasons import invalid_token
from roomkey.jose.verification_key import UnusableKey, VerificationKey, read_jwk
from roomkey.secret import Confidential

MOST_KEYS: Final = 1000
_MOST_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class RejectedKey:
    """A key of a set that is not used; holds no key material.

    Attributes:
        position: its index in the set, from 0.
        kid: its ``kid``, or None. It comes from outside: escape it wherever you show it.
        reason: a stable code, such as ``weak_key``; ``roomkey.jose.verification_key.UnusableKey`` lists them.
    """

    position: int
    kid: str | None
    reason: str


@final
class LocalKeys(Confidential):
    """The usable keys of one issuer, found by ``kid`` and algorithm in one dict access; its repr shows their number.

    Keys without a ``kid`` match every ``kid`` where no key of the set has one. Of published keys that share ``kid`` and
    algorithm up to four are tried. ``members`` are its ``keys`` as a set. Immutable; safe in any thread.
    """

    __slots__ = ("_digests", "_eligible", "_kids", "keys", "members", "rejected")

    def __init__(
        self, keys: Iterable[VerificationKey] = (), rejected: Iterable[RejectedKey] = (), digests: Iterable[bytes] = ()
    ) -> None:
        """``digests`` are those of the JWKs that ``keys`` were read from, so that a later set can reuse them."""
        self.keys = tuple(keys)
        self.members = frozenset(self.keys)
        self.rejected = tuple(rejected)
        self._digests = dict(zip(digests, self.keys, strict=False))
        self._kids = frozenset(key.kid for key in self.keys if key.kid is not None)
        self._eligible = _eligible(self.keys)

    @classmethod
    def read(cls, jwks: Iterable[object], *, published: bool, known: "LocalKeys | None" = None) -> "LocalKeys":
        """Return the keys of parsed JWKs; one that cannot be used is rejected alone. Keys of ``known`` are reused.

        ``published`` is True for a set that comes from a URL.
        """
        keys: dict[bytes, VerificationKey] = {}
        rejected = []
        jwks = tuple(jwks)
        secrets = Counter(_kid(jwk) for jwk in jwks if isinstance(jwk, Mapping) and jwk.get("kty") == "oct")
        for position, jwk in enumerate(jwks):
            digest = hashlib.sha256(json.dumps(jwk, sort_keys=True).encode()).digest()
            reused = None if known is None else known._digests.get(digest)
            try:
                key = read_jwk(jwk, published=published) if reused is None else reused
                if key.kid is not None and secrets[key.kid] > 1:
                    raise UnusableKey("ambiguous_kid")
                keys[digest] = key
            except UnusableKey as error:
                rejected.append(RejectedKey(position, _kid(jwk), error.reason))
        return cls(keys.values(), rejected, keys)

    def find(self, header: Header) -> tuple[VerificationKey, ...]:
        """Return the keys that may have signed a token with ``header``, one to four; empty where there is none."""
        found = self._eligible.get((header.kid, header.algorithm))
        if found is None:
            return () if self._kids else self._eligible.get((None, header.algorithm), ())
        return found

    def lacks(self, header: Header) -> bool:
        """Return True where a newer set could have the key that ``header`` names."""
        return header.kid is not None and header.kid not in self._kids and (bool(self._kids) or not self.keys)

    def explain(self, header: Header) -> InvalidToken:
        """Return why ``find`` has no key for a token with ``header``."""
        named = header.kid in self._kids
        if named or header.kid is None or not self._kids:
            candidates = [key for key in self.keys if key.kid == header.kid or not named]
            if any(header.algorithm in key.verifiers for key in candidates):
                return invalid_token("ambiguous_key")
        return invalid_token("key_mismatch" if named else "unknown_key")

    def __repr__(self) -> str:
        return f"LocalKeys({len(self.keys)} usable, {len(self.rejected)} rejected)"


def _eligible(keys: tuple[VerificationKey, ...]) -> Mapping[tuple[str | None, str], tuple[VerificationKey, ...]]:
    named: dict[tuple[str | None, str], list[VerificationKey]] = {}
    by_algorithm: dict[str, list[VerificationKey]] = {}
    for key in keys:
        for algorithm in key.verifiers:
            by_algorithm.setdefault(algorithm, []).append(key)
            if key.kid is not None:
                named.setdefault((key.kid, algorithm), []).append(key)
    eligible = {name: tuple(found) for name, found in named.items() if len(found) <= _MOST_TRIES}
    alone = {(None, name): tuple(found) for name, found in by_algorithm.items() if len(found) == 1}
    return eligible | alone


def _kid(jwk: Any) -> str | None:
    kid = jwk.get("kid") if isinstance(jwk, Mapping) else None
    return kid[:LONGEST_KID] if isinstance(kid, str) else None


class KeySetState(Enum):
    """The state of a key set at one moment."""

    FIXED = "fixed"
    """It was given in code and never changes."""
    EMPTY = "empty"
    """No key was asked for yet, or none is available."""
    FRESH = "fresh"
    """Its keys are in use."""
    STALE = "stale"
    """Its keys are still used while no newer set is available, or until one is asked for."""
    EXPIRED = "expired"
    """Its keys are too old to be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySetStatus:
    """A key set at one moment; nothing in it is secret.

    Attributes:
        source: where the keys come from.
        state: its state.
        keys: how many keys are usable.
        rejected: the keys that are not used, and why.
        age: seconds since the set was confirmed, or None.
        refresh_in: seconds until a newer set is fetched, or None.
        usable_for: seconds that the keys can be used if no newer set is available; infinite for fixed keys.
        fetches: attempts so far.
        failures: how many of them failed.
        unknown_kids: tokens so far that named a key which was not in the set.
        last_error: why the last attempt failed, or "" where it did not.
        next_attempt_in: seconds until the next attempt after a failure, or None.
    """

    source: str
    state: KeySetState
    keys: int
    rejected: tuple[RejectedKey, ...]
    age: float | None = None
    refresh_in: float | None = None
    usable_for: float = float("inf")
    fetches: int = 0
    failures: int = 0
    unknown_kids: int = 0
    last_error: str = ""
    next_attempt_in: float | None = None

    @property
    def refused(self) -> tuple[RejectedKey, ...]:
        """The name of ``rejected`` in 0.1.0; for one version."""
        warnings.warn("KeySetStatus.refused is now KeySetStatus.rejected", DeprecationWarning, stacklevel=2)
        return self.rejected
