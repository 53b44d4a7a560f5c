"""The bare check of a signed token: header, algorithm, key, signature (RFC 7515 section 5.2, RFC 8725)."""

from collections.abc import Iterable

from roomkey.concurrency.steps import Steps, arun, run
from roomkey.errors import RoomkeyError, without_traceback
from roomkey.jose.compact import read_compact
from roomkey.jose.jwks.key_set import KeySet
from roomkey.jose.verification_key import allowed_algorithms, check_algorithm, check_signature


def verify_compact(token: str, key_set: KeySet, *, algorithms: Iterable[str]) -> bytes:
    """Return the payload of ``token`` where its signature is right. Nothing in the payload is looked at.

    Parameters:
        token: a JWS in compact form, at most 16 KiB.
        key_set: the keys of the issuer that the token must come from; ``KeySet.find`` says when it blocks.
        algorithms: the names that are accepted, such as ``["ES256"]``; a key must allow the algorithm as well.

    Raises InvalidToken or KeysUnavailable for the token, TypeError or ValueError for the other two. Safe in any thread.

    >>> from roomkey.jose import KeySet, verify_compact
    >>> orders_keys = KeySet.remote("https://auth.example/jwks")
    >>> payload = verify_compact(token, orders_keys, algorithms=["ES256", "RS256"])  # doctest: +SKIP
    """
    outcome = run(_verify(token, _checked(key_set), allowed_algorithms(algorithms)))
    del token  # an error report with local variables shows no token
    return _payload(outcome)


async def verify_compact_async(token: str, key_set: KeySet, *, algorithms: Iterable[str]) -> bytes:
    """``verify_compact`` for asyncio and trio; waits for keys without blocking the loop."""
    outcome = await arun(_verify(token, _checked(key_set), allowed_algorithms(algorithms)))
    del token
    return _payload(outcome)


def _checked(key_set: object) -> KeySet:
    if not isinstance(key_set, KeySet):
        raise TypeError(f"key_set= takes a KeySet, not {type(key_set).__name__}")
    return key_set


def _verify(token: str, key_set: KeySet, allowed: frozenset[str]) -> Steps[bytes | RoomkeyError]:
    try:
        compact = read_compact(token)
        check_algorithm(compact.header, allowed)
        keys = key_set.find_cached(compact.header) or (yield from key_set.find_steps(compact.header))
        check_signature(compact, keys)
    except RoomkeyError as error:
        return without_traceback(error)
    return compact.payload


def _payload(outcome: bytes | RoomkeyError) -> bytes:
    if isinstance(outcome, bytes):
        return outcome
    raise outcome
