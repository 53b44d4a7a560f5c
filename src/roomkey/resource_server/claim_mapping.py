"""Where issuers put scopes, roles and tenant: each has its own idea (RFC 9068 section 2.2.3 is the default; pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from roomkey.errors import ConfigurationError
from roomkey.jose.claims import Claims as RawClaims
from roomkey.jose.claims import read_scopes, read_text
from roomkey.jose.refusal import refused
from roomkey.resource_server.claims import Claims


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimMapping:
    """Paths to what authorization needs; a dotted path leads into nested objects, a whole name is looked for first.

    Parameters:
        scopes: the claim with the scopes.
        scope_lists: True takes a list of scopes as well as one text with spaces between them.
        roles: the claims with roles; all of them together count.
        tenant: the claim with the tenant, or None.
        client_id: the claims that may name the client; the first that is there counts.
    """

    scopes: str = "scope"
    scope_lists: bool = False
    roles: tuple[str, ...] = ("roles",)
    tenant: str | None = "tenant"
    client_id: tuple[str, ...] = ("client_id",)

    def read(self, claims: RawClaims) -> Claims:
        """``claims`` with their meaning; raises InvalidToken where one of them has the wrong form."""
        tenant = None if self.tenant is None else _at(claims, self.tenant)
        if tenant is not None and not isinstance(tenant, str):
            raise refused("claim_malformed", self.tenant)
        return Claims(
            claims,
            subject=read_text(claims, "sub"),
            client_id=next((text for name in self.client_id if (text := read_text(claims, name))), None),
            scopes=read_scopes(claims, self.scopes, lists=self.scope_lists),
            roles=frozenset(role for path in self.roles for role in _roles(claims, path)),
            tenant=tenant,
        )


RFC_9068: Final = ClaimMapping()
PRESETS: Final[Mapping[str, ClaimMapping]] = {
    "entra": ClaimMapping(scopes="scp", tenant="tid", client_id=("azp", "appid")),
    "keycloak": ClaimMapping(roles=("realm_access.roles",), tenant=None, client_id=("client_id", "azp")),
    "cognito": ClaimMapping(roles=("cognito:groups",), tenant=None),
    "auth0": ClaimMapping(roles=("permissions",), tenant="org_id", client_id=("client_id", "azp")),
}


def mapping_named(name: str) -> ClaimMapping:
    """The preset ``name``; raises ConfigurationError."""
    if name not in PRESETS:
        raise ConfigurationError(f"claims= is a ClaimMapping or one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def _roles(claims: RawClaims, path: str) -> tuple[str, ...]:
    value = _at(claims, path)
    if value is None:
        return ()
    roles = [value] if isinstance(value, str) else value
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise refused("claim_malformed", path.partition(".")[0])
    return tuple(roles)


def _at(claims: RawClaims, path: str) -> Any:
    if path in claims:
        return claims[path]
    value: Any = claims
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
