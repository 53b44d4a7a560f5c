"""What a route asks of verified claims; everything else is denied (RFC 6750 section 3.1, RFC 9470; pure)."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from roomkey.errors import AccessDenied, StepUpRequired
from roomkey.resource_server.claims import Claims

Expected = str | int | bool | None | Callable[[Any], bool]
_LATE_CLOCK: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What one route asks for; all of it must hold, and names are compared whole.

    Parameters:
        scopes: every one of these.
        any_scope: at least one of these, where there are any.
        roles: every one of these.
        any_role: at least one of these, where there are any.
        tenant: True where the request names a tenant (in its path or host) that must be the token's own.
        claims: claim name to the value that it must equal, or to a function that says whether it will do; a claim that
            is absent is handed to neither and will not do.
        acr: at least one of these authentication context classes (``acr``).
        max_age: seconds that may have passed since the user signed in (``auth_time``), or None.
        fresh: True asks the auth service about the token even where its signature is enough elsewhere.
    """

    scopes: Collection[str] = ()
    any_scope: Collection[str] = ()
    roles: Collection[str] = ()
    any_role: Collection[str] = ()
    tenant: bool = False
    claims: Mapping[str, Expected] = field(default_factory=dict)
    acr: Collection[str] = ()
    max_age: float | None = None
    fresh: bool = False

    def __post_init__(self) -> None:
        """Check and normalise; raises TypeError and ValueError. Does no I/O."""
        for name in ("scopes", "any_scope", "roles", "any_role", "acr"):
            value = getattr(self, name)
            words = tuple(value.split()) if isinstance(value, str) else tuple(value)
            if not all(isinstance(word, str) and word and not word.isspace() for word in words):
                raise TypeError(f"{name}= takes texts that are not empty, such as [{name[:-1]!r}]")
            object.__setattr__(self, name, tuple(dict.fromkeys(words)))
        if self.max_age is not None and not 0.0 <= self.max_age <= 1e9:
            raise ValueError("max_age= is a number of seconds, 0 or more")

    def check(self, claims: Claims, *, now: float, tenant: str | None = None) -> None:
        """Raise AccessDenied or StepUpRequired where ``claims`` do not meet this.

        Parameters:
            now: seconds since 1970.
            tenant: the tenant that the request names, where ``tenant=True`` asks for that.
        """
        self._check_scopes(claims)
        self._check_roles(claims)
        if self.tenant and (not tenant or claims.tenant != tenant):
            raise AccessDenied("The token belongs to another tenant.", reason="wrong_tenant")
        for name, expected in self.claims.items():
            if name not in claims or not _meets(claims[name], expected):
                raise AccessDenied("The token lacks a claim that is needed here.", reason="claim_not_met", claim=name)
        self._check_sign_in(claims, now)

    def _check_scopes(self, claims: Claims) -> None:
        if not claims.scopes.issuperset(self.scopes):
            raise _scopes_missing(self.scopes)
        if self.any_scope and claims.scopes.isdisjoint(self.any_scope):
            raise _scopes_missing(self.any_scope)

    def _check_roles(self, claims: Claims) -> None:
        if not claims.roles.issuperset(self.roles) or (self.any_role and claims.roles.isdisjoint(self.any_role)):
            raise AccessDenied("The token lacks a role that is needed here.", reason="role_missing")

    def _check_sign_in(self, claims: Claims, now: float) -> None:
        signed_in = claims.get("auth_time")
        since = now - signed_in if isinstance(signed_in, int | float) and not isinstance(signed_in, bool) else None
        too_long_ago = self.max_age is not None and (since is None or since > self.max_age + _LATE_CLOCK)
        too_weak = bool(self.acr) and claims.get("acr") not in self.acr
        if too_weak or too_long_ago:
            raise StepUpRequired(
                "Sign in again, in a stronger way." if too_weak else "Sign in again; it was too long ago.",
                reason="acr_not_met" if too_weak else "auth_time_too_old",
                acr_values=" ".join(self.acr) or None,
                max_age=self.max_age,
            )


def _scopes_missing(scopes: Collection[str]) -> AccessDenied:
    return AccessDenied("The token lacks a scope that is needed here.", reason="scope_missing", scope=" ".join(scopes))


def _meets(value: Any, expected: Expected) -> bool:
    if callable(expected):
        return expected(value) is True
    return type(value) is type(expected) and value == expected
