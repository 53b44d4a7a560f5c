"""The requirements of a route on verified claims; all else is denied (RFC 6750 section 3.1, RFC 9470; pure)."""

import logging
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from roomkey.errors import AccessDenied, StepUpRequired
from roomkey.resource_server.claims import Claims

Expected = str | int | float | bool | None | Callable[[Any], bool]
_LATE_CLOCK: Final = 30.0
_OPTIONAL: Final = ("any_scope", "any_role", "acr")
# RFC 6749 section 3.3; anything else could not stand in a challenge.
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+")

_log = logging.getLogger("roomkey")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """The requirements of one route; all of them must be met, and names are compared whole.

    Parameters:
        scopes: every one of these; a string is split at its spaces.
        any_scope: at least one of these; None requires none, and an empty collection is an error.
        roles: every one of these; a string is one role.
        any_role: at least one of these, as for ``any_scope``.
        tenant: True where the request names a tenant (in its path or host) that must be the token's own.
        claims: claim name to the value that it must equal (``1`` is not ``True``), or to a function that returns True
            for values that are accepted. A claim that is absent fails, and so does one for which the function raises.
            Lists in claims are tuples.
        acr: at least one of these authentication context classes (``acr``), the preferred one first.
        max_age: seconds that may have passed since the user signed in (``auth_time``), or None.
        fresh: True introspects the token even where its signature is enough elsewhere.
    """

    scopes: Collection[str] = ()
    any_scope: Collection[str] | None = None
    roles: Collection[str] = ()
    any_role: Collection[str] | None = None
    tenant: bool = False
    claims: Mapping[str, Expected] = field(default_factory=dict)
    acr: Collection[str] | None = None
    max_age: float | None = None
    fresh: bool = False

    def __post_init__(self) -> None:
        """Check and normalise to tuples; raises TypeError and ValueError. Does no I/O."""
        for name in ("scopes", "any_scope", "acr"):
            names = _names(name, getattr(self, name), split=True)
            if any(not _SCOPE.fullmatch(each) for each in names or ()):
                raise ValueError(f"{name}= has a character that RFC 6749 section 3.3 does not allow")
            object.__setattr__(self, name, names)
        for name in ("roles", "any_role"):
            object.__setattr__(self, name, _names(name, getattr(self, name), split=False))
        if self.max_age is not None and not 0.0 <= self.max_age <= 1e9:
            raise ValueError("max_age= must be a number of seconds, 0 or more")
        object.__setattr__(self, "claims", MappingProxyType(dict(self.claims)))

    @property
    def scope(self) -> str | None:
        """The scopes that a client is to request, space-separated, or None where none is required.

        Of those of which one is enough, this is the first: a client that requests it gets no more than it needs.
        """
        return " ".join(dict.fromkeys((*self.scopes, *tuple(self.any_scope or ())[:1]))) or None

    def check(self, claims: Claims, *, now: float, tenant: str | None = None) -> None:
        """Raise AccessDenied or StepUpRequired where ``claims`` do not meet the requirements.

        Parameters:
            now: seconds since 1970.
            tenant: the tenant that the request names, for ``tenant=True``.
        """
        self._check_scopes(claims.scopes)
        if not claims.roles.issuperset(self.roles) or (self.any_role and claims.roles.isdisjoint(self.any_role)):
            raise AccessDenied("The token lacks a role that is required here.", reason="role_missing")
        if self.tenant and (not tenant or claims.tenant != tenant):
            raise AccessDenied("The token belongs to another tenant.", reason="wrong_tenant")
        for name, expected in self.claims.items():
            if name not in claims or not _meets(claims[name], expected, name):
                raise AccessDenied("The token lacks a claim that is required here.", reason="claim_not_met", claim=name)
        if self.acr or self.max_age is not None:
            self._check_sign_in(claims, now)

    def _check_scopes(self, held: frozenset[str]) -> None:
        one_of = tuple(self.any_scope or ())
        if held.issuperset(self.scopes) and not (one_of and held.isdisjoint(one_of)):
            return
        needed = self.scope if held.isdisjoint(one_of) else " ".join(self.scopes)
        raise AccessDenied("The token lacks a scope that is required here.", reason="scope_missing", scope=needed)

    def _check_sign_in(self, claims: Claims, now: float) -> None:
        recent = self.max_age is None or _signed_in_since(claims, now - self.max_age, now)
        strong = not self.acr or claims.get("acr") in self.acr
        if recent and strong:
            return
        raise StepUpRequired(
            "Sign in again; it was too long ago." if strong else "Sign in again, in a stronger way.",
            reason="auth_time_too_old" if strong else "acr_not_met",
            acr_values=" ".join(self.acr) if self.acr else None,
            max_age=self.max_age,
        )


def _names(name: str, value: Collection[str] | None, *, split: bool) -> tuple[str, ...] | None:
    if value is None:
        return None if name in _OPTIONAL else ()
    given = (value.split() if split else [value]) if isinstance(value, str) else list(value)
    if not all(isinstance(each, str) and each.strip() for each in given):
        raise TypeError(f"{name}= must be strings that are not empty")
    if not given and name in _OPTIONAL:
        raise ValueError(f"{name}= is empty, which no token could meet; leave it out to require nothing")
    return tuple(dict.fromkeys(given))


def _signed_in_since(claims: Claims, earliest: float, now: float) -> bool:
    signed_in = claims.get("auth_time")
    if isinstance(signed_in, bool) or not isinstance(signed_in, int | float):
        return False
    return earliest - _LATE_CLOCK <= signed_in <= now + _LATE_CLOCK


def _meets(value: Any, expected: Expected, name: str) -> bool:
    if not callable(expected):
        return type(value) is type(expected) and bool(value == expected)
    try:
        return bool(expected(value))
    except Exception as error:  # noqa: BLE001 - an API's own function may raise anything; access is denied then
        _log.warning("The requirement on the claim %r raised %s, so it is not met.", name, type(error).__name__)
        return False
