"""The checks of a verified token's claims: issuer, audience, times, type (RFC 7519, RFC 8725, RFC 9068; pure)."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from roomkey.jose.reasons import invalid_token

LONGEST_LEEWAY: Final = 300.0
LATEST_TIME: Final[float] = 253_402_300_799
"""The last second of the year 9999."""
ACCESS_TOKEN: Final = "at+jwt"  # noqa: S105 - a type
REQUIRED_OF_ACCESS_TOKENS: Final = ("sub", "client_id", "iat", "jti")
"""What RFC 9068 section 2.2 requires of every access token, beside what ``ClaimRules`` always requires."""

RawClaims = Mapping[str, Any]
Validity = tuple[float, float]
"""The seconds since 1970 from which on and until which a token is valid, leeway included."""

# An issuer signs these with the same keys, and some of them are public.
_NEVER_ACCESS_TOKENS: Final = frozenset(
    {"dpop+jwt", "logout+jwt", "secevent+jwt", "statuslist+jwt", "denylist+jwt", "token-introspection+jwt"}
)
_STRINGS: Final = ("sub", "jti", "client_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRules:
    """What a token's claims must be.

    Parameters:
        issuer: the value of ``iss``, letter for letter.
        audiences: ``aud`` must name one of them, letter for letter; None, on purpose, accepts every audience.
        access_tokens_only: accept the type ``at+jwt`` only (RFC 9068 section 4); False accepts every type but those
            that are surely something else.
        required: claims that must be present, beside ``iss``, ``exp`` and (with ``audiences``) ``aud``.
        leeway: seconds by which clocks may differ, 0 to 300.
        longest_age: seconds after ``iat`` in which a token is accepted, or None for as long as it is valid.
        issued_in_future: True accepts a token whose ``iat`` lies ahead.
    """

    issuer: str
    audiences: frozenset[str] | None
    access_tokens_only: bool = True
    required: tuple[str, ...] = ()
    leeway: float = 30.0
    longest_age: float | None = None
    issued_in_future: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.issuer, str) or not self.issuer:
            raise ValueError("issuer= must be a string that is not empty")
        if self.audiences is not None and not (
            isinstance(self.audiences, frozenset)
            and self.audiences
            and all(isinstance(one, str) and one for one in self.audiences)
        ):
            raise ValueError("audiences= must be a frozenset of strings that are not empty, or None on purpose")
        if not _is_number(self.leeway) or not 0.0 <= self.leeway <= LONGEST_LEEWAY:
            raise ValueError("leeway= must be a number of seconds from 0 to 300")
        if self.longest_age is not None and not (_is_number(self.longest_age) and 0.0 < self.longest_age < LATEST_TIME):
            raise ValueError("longest_age= must be a number of seconds above 0, or None")


def check_claims(claims: RawClaims, rules: ClaimRules, *, now: float) -> Validity:
    """Return the validity of a token whose ``claims`` meet ``rules`` at ``now`` (in seconds since 1970).

    Raises InvalidToken, which names the claim. The type stands in the header and is checked by ``check_type``.
    """
    check_issuer(claims, rules.issuer)
    check_audience(claims, rules.audiences)
    validity = check_times(claims, rules, now=now)
    for name in rules.required:
        if claims.get(name) is None:
            raise invalid_token("claim_missing", name)
    for name in _STRINGS:
        if not isinstance(claims.get(name, ""), str):
            raise invalid_token("claim_malformed", name)
    return validity


def check_type(typ: str | None, *, access_tokens_only: bool) -> None:
    """Raise InvalidToken where a token of the type ``typ`` is not accepted (RFC 8725 section 3.11)."""
    if typ == ACCESS_TOKEN:
        return
    kind = "" if typ is None else typ.lower().removeprefix("application/")
    if kind in _NEVER_ACCESS_TOKENS or (access_tokens_only and kind != ACCESS_TOKEN):
        raise invalid_token("wrong_type", "typ")


def check_issuer(claims: RawClaims, issuer: str) -> None:
    """Raise InvalidToken where ``iss`` is not exactly ``issuer``."""
    if claims.get("iss") != issuer:
        read_string(claims, "iss", required=True)
        raise invalid_token("wrong_issuer", "iss")


def check_audience(claims: RawClaims, audiences: frozenset[str] | None) -> None:
    """Raise InvalidToken where ``aud`` is not a string or list of strings, or names none of ``audiences``."""
    value = claims.get("aud")
    if audiences is not None and isinstance(value, str) and value in audiences:
        return
    if value is None and "aud" not in claims:
        if audiences is None:
            return
        raise invalid_token("claim_missing", "aud")
    named = [value] if isinstance(value, str) else value
    if not isinstance(named, list) or not all(isinstance(one, str) and one for one in named):
        raise invalid_token("claim_malformed", "aud")
    if audiences is not None and audiences.isdisjoint(named):
        raise invalid_token("wrong_audience", "aud")


def check_times(claims: RawClaims, rules: ClaimRules, *, now: float) -> Validity:
    """Return the validity, in which ``now`` lies; raises InvalidToken, also where a time is no number of seconds."""
    leeway = rules.leeway
    expires = read_time(claims, "exp")
    if expires is None:
        raise invalid_token("claim_missing", "exp")
    if now >= expires + leeway:
        raise invalid_token("expired", "exp")
    not_before = read_time(claims, "nbf", earliest=-LATEST_TIME)
    if not_before is None:
        not_before = -LATEST_TIME
    elif now < not_before - leeway:
        raise invalid_token("not_yet_valid", "nbf")
    issued = read_time(claims, "iat")
    if issued is not None and not rules.issued_in_future:
        if now < issued - leeway:
            raise invalid_token("issued_in_future", "iat")
        not_before = max(not_before, issued)
    if rules.longest_age is not None:
        if issued is None:
            raise invalid_token("claim_missing", "iat")
        if now >= issued + rules.longest_age + leeway:
            raise invalid_token("too_old", "iat")
        expires = min(expires, issued + rules.longest_age)
    return not_before - leeway, expires + leeway


def read_time(claims: RawClaims, name: str, *, earliest: float = 0) -> float | None:
    """Return the time in the claim ``name``, in seconds since 1970, or None where it is absent; raises InvalidToken."""
    if name not in claims:
        return None
    value = claims[name]
    kind = type(value)  # True is an int to isinstance
    if (kind is int or kind is float) and earliest <= value <= LATEST_TIME:
        return value  # type: ignore[no-any-return]
    raise invalid_token("claim_malformed", name)


def read_string(claims: RawClaims, name: str, *, required: bool = False) -> str | None:
    """Return the string in the claim ``name``, or None where it is absent; raises InvalidToken."""
    value = claims.get(name)
    if isinstance(value, str):
        return value
    if name in claims:
        raise invalid_token("claim_malformed", name)
    if required:
        raise invalid_token("claim_missing", name)
    return None


def read_scopes(claims: RawClaims, name: str = "scope", *, lists: bool = False) -> frozenset[str]:
    """Return the scopes in the claim ``name``, a string with spaces (RFC 8693 section 4.2); none where it is absent.

    Scopes are printable ASCII without quotes and backslashes (RFC 6749 section 3.3). ``lists`` accepts a list of scopes
    as well, as some issuers write it. Raises InvalidToken.
    """
    value = claims.get(name, "")
    if lists and isinstance(value, list) and all(isinstance(one, str) and " " not in one for one in value):
        value = " ".join(value)
    scopes = _split_scopes(value) if isinstance(value, str) else None
    if scopes is None:
        raise invalid_token("claim_malformed", name)
    return scopes


@functools.lru_cache(maxsize=256)
def _split_scopes(value: str) -> frozenset[str] | None:
    """Return one set for all tokens with the same scopes; None where a character is not allowed."""
    allowed = value.isascii() and value.isprintable() and '"' not in value and "\\" not in value
    return frozenset(value.split()) if allowed else None


def _is_number(value: object) -> TypeGuard[float]:
    kind = type(value)
    return kind is int or kind is float  # True and False are ints to isinstance
