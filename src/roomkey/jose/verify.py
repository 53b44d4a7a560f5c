"""The bare check of a signed token: header, algorithm, key, signature (RFC 7515 section 5.2, RFC 8725)."""

import functools
from collections.abc import Iterable

from roomkey.errors import RoomkeyError
from roomkey.jose.compact import Compact, Header, read_compact, remember_header
from roomkey.jose.key_set import KeySet
from roomkey.jose.keys import VerificationKey
from roomkey.jose.reasons import refused
from roomkey.jose.signature import ALGORITHMS


def verify_compact(token: str, key_set: KeySet, *, algorithms: Iterable[str]) -> bytes:
    """The payload of ``token``, whose signature is right. Nothing in the payload is looked at.

    Parameters:
        token: a JWS in compact form, at most 16 KiB.
        key_set: the keys of the issuer that the token must come from; ``KeySet.find`` says when it blocks.
        algorithms: the names that are taken, such as ``["ES256"]``; a key's own binding counts as well.

    Raises InvalidToken or KeysUnavailable for the token, TypeError or ValueError for the other two. Safe in any thread.

    >>> from roomkey.jose import KeySet, verify_compact
    >>> orders_keys = KeySet.remote("https://auth.example/jwks")
    >>> payload = verify_compact(token, orders_keys, algorithms=["ES256", "RS256"])  # doctest: +SKIP
    """
    _check_key_set(key_set)
    outcome = _verified(token, key_set, allowed_algorithms(algorithms))
    if isinstance(outcome, bytes):
        return outcome
    del token  # an error report with local variables shows no token
    raise outcome


async def verify_compact_async(token: str, key_set: KeySet, *, algorithms: Iterable[str]) -> bytes:
    """``verify_compact`` for asyncio and trio; waits for keys without blocking the loop."""
    _check_key_set(key_set)
    outcome = await _verified_async(token, key_set, allowed_algorithms(algorithms))
    if isinstance(outcome, bytes):
        return outcome
    del token
    raise outcome


def allowed_algorithms(algorithms: Iterable[str]) -> frozenset[str]:
    """``algorithms`` as a set of known names.

    Raises TypeError for a single str, ValueError where a name is unknown (``none`` is) or there is none.
    """
    if isinstance(algorithms, str | bytes):
        raise TypeError('algorithms= is a list of names, such as ["ES256"]')
    return _allowed(tuple(algorithms))


@functools.lru_cache(maxsize=64)
def _allowed(algorithms: tuple[str, ...]) -> frozenset[str]:
    unknown = [name for name in algorithms if name not in ALGORITHMS]
    if unknown or not algorithms:
        raise ValueError(f"algorithms= names at least one of {', '.join(sorted(ALGORITHMS))}, and no others")
    return frozenset(algorithms)


def check_algorithm(header: Header, allowed: frozenset[str]) -> None:
    """Raise InvalidToken where the algorithm of ``header`` is not ``allowed``; before any key is looked for."""
    if header.algorithm not in allowed:
        raise refused("algorithm_not_allowed")


def check_signature(compact: Compact, keys: Iterable[VerificationKey]) -> VerificationKey:
    """The one of ``keys`` that signed ``compact``; raises InvalidToken. ``keys`` come from ``KeySet.find``."""
    for key in keys:
        if key.verifiers[compact.header.algorithm](compact.signature, compact.signed):
            if compact.new_header:
                remember_header(compact)
            return key
    raise refused("bad_signature")


def _check_key_set(key_set: object) -> None:
    if not isinstance(key_set, KeySet):
        raise TypeError(f"key_set= is a KeySet, not {type(key_set).__name__}")


def _verified(token: str, key_set: KeySet, allowed: frozenset[str]) -> bytes | RoomkeyError:
    try:
        compact = read_compact(token)
        check_algorithm(compact.header, allowed)
        check_signature(compact, key_set.find(compact.header))
    except RoomkeyError as error:
        return error.with_traceback(None)
    return compact.payload


async def _verified_async(token: str, key_set: KeySet, allowed: frozenset[str]) -> bytes | RoomkeyError:
    try:
        compact = read_compact(token)
        check_algorithm(compact.header, allowed)
        check_signature(compact, await key_set.find_async(compact.header))
    except RoomkeyError as error:
        return error.with_traceback(None)
    return compact.payload
