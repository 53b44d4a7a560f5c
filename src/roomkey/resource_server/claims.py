"""The claims of a verified token, and the mapping that finds scopes, roles and tenant in them (RFC 9068)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, final

from roomkey.jose.claims import RawClaims, read_scopes, read_string
from roomkey.jose.reasons import invalid_token
from roomkey.secret import Confidential


@final
class Claims(Confidential, Mapping[str, Any]):
    """The verified claims of one token: a read-only mapping, with the names that every issuer writes differently.

    One value serves every request with the same token, so nothing in it can be changed: lists are tuples, objects are
    read-only mappings; ``as_dict`` makes a copy that can be changed. Its repr shows subject and client, and no other
    claim. Safe in any thread.
    """

    __slots__ = ("_client_id", "_roles", "_scopes", "_subject", "_tenant", "_values")

    def __init__(
        self,
        values: Mapping[str, Any],
        subject: str | None = None,
        client_id: str | None = None,
        scopes: frozenset[str] = frozenset(),
        roles: frozenset[str] = frozenset(),
        tenant: str | None = None,
    ) -> None:
        """``values`` must not be changed afterwards."""
        self._values = values
        self._subject = subject
        self._client_id = client_id
        self._scopes = scopes
        self._roles = roles
        self._tenant = tenant

    @property
    def subject(self) -> str | None:
        """The subject (``sub``), or None."""
        return self._subject

    @property
    def client_id(self) -> str | None:
        """The client that the token was issued to, or None."""
        return self._client_id

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes of the token; empty allows nothing."""
        return self._scopes

    @property
    def roles(self) -> frozenset[str]:
        """The roles of the subject."""
        return self._roles

    @property
    def tenant(self) -> str | None:
        """The tenant that the token belongs to, or None."""
        return self._tenant

    def __getitem__(self, name: str) -> Any:
        return _freeze(self._values[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def as_dict(self) -> dict[str, Any]:
        """Return a copy in dicts and lists, as the token had them, which may be changed and written as JSON."""
        return {name: _copy(value) for name, value in self._values.items()}

    def __repr__(self) -> str:
        return f"Claims(subject={self.subject!r}, client_id={self.client_id!r})"


_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def _freeze(value: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return MappingProxyType({name: _freeze(inner) for name, inner in value.items()})
    return tuple(map(_freeze, value)) if isinstance(value, list | tuple) else value


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copy(inner) for name, inner in value.items()}
    return list(map(_copy, value)) if isinstance(value, list | tuple) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimMapping:
    """Paths to what authorization needs; a dotted path leads into nested objects, a whole name is looked for first.

    Parameters:
        scopes: the claim with the scopes.
        scope_lists: True accepts a list of scopes as well as one string with spaces between them.
        roles: the claims with roles, lists of strings or one string (which is one role); all of them together count.
        audience_roles: a claim whose members are audiences with ``roles`` of their own, or None; only those of the
            API's own audiences count.
        tenant: the claim with the tenant, or None.
        client_id: the claims that may name the client; the first that is present counts.
        expected: claims by which an issuer marks its access tokens, with the values that are accepted.
    """

    scopes: str = "scope"
    scope_lists: bool = False
    roles: tuple[str, ...] = ("roles",)
    audience_roles: str | None = None
    tenant: str | None = "tenant"
    client_id: tuple[str, ...] = ("client_id",)
    expected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def read(self, claims: RawClaims, *, audiences: frozenset[str] | None = None) -> Claims:
        """Return ``claims`` with their meaning for the API that is called ``audiences``.

        Raises InvalidToken where one of them has the wrong form, or the token is not an access token.
        """
        for name, values in self.expected.items():
            if claims.get(name) not in values:
                raise invalid_token("wrong_type", name)
        roles: tuple[str, ...] = ()
        for path in self.roles:
            named = _at(claims, path)
            if named is not None:
                roles += _roles(named, path)
        if self.audience_roles is not None:
            for audience in audiences or ():
                named = _member(_member(_at(claims, self.audience_roles), audience), "roles")
                if named is not None:
                    roles += _roles(named, self.audience_roles)
        client_id = None
        for name in self.client_id:
            if client_id := read_string(claims, name):
                break
        tenant = None if self.tenant is None else _tenant(claims, self.tenant)
        subject, scopes = read_string(claims, "sub"), read_scopes(claims, self.scopes, lists=self.scope_lists)
        return Claims(claims, subject, client_id or None, scopes, frozenset(roles), tenant)


RFC_9068: Final = ClaimMapping()
PRESETS: Final[Mapping[str, ClaimMapping]] = MappingProxyType(
    {
        # learn.microsoft.com/entra/identity-platform/access-token-claims-reference; appid is that of version 1.0
        "entra": ClaimMapping(scopes="scp", tenant="tid", client_id=("azp", "appid")),
        # Keycloak's oidc-usermodel-realm-role-mapper and oidc-usermodel-client-role-mapper; a role of another client
        # has no meaning here. Its ID and refresh tokens are signed by the same keys and differ in the claim typ.
        "keycloak": ClaimMapping(
            roles=("realm_access.roles",),
            audience_roles="resource_access",
            tenant=None,
            client_id=("client_id", "azp"),
            expected=MappingProxyType({"typ": ("Bearer", "DPoP")}),
        ),
        # docs.aws.amazon.com/cognito, Understanding the access token: there is no aud; token_use marks ID tokens
        "cognito": ClaimMapping(
            roles=("cognito:groups",), tenant=None, expected=MappingProxyType({"token_use": ("access",)})
        ),
        # auth0.com/docs/secure/tokens/access-tokens/access-token-profiles, and permissions of its RBAC
        "auth0": ClaimMapping(roles=("permissions",), tenant="org_id", client_id=("client_id", "azp")),
        # Ory Hydra: scopes are a list in scp
        "hydra": ClaimMapping(scopes="scp", scope_lists=True, tenant=None),
        # Spring Authorization Server: scope is a list, and its JWTs name no client (and have no typ: profile="jwt")
        "spring": ClaimMapping(scope_lists=True, tenant=None),
    }
)


def _tenant(claims: RawClaims, path: str) -> str | None:
    tenant = _at(claims, path)
    if tenant is not None and not isinstance(tenant, str):
        raise invalid_token("claim_malformed", path.partition(".")[0])
    return tenant


def _roles(value: Any, path: str) -> tuple[str, ...]:
    roles = [value] if isinstance(value, str) else value
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise invalid_token("claim_malformed", path.partition(".")[0])
    return tuple(roles)


def _at(claims: RawClaims, path: str) -> Any:
    if path in claims or "." not in path:
        return claims.get(path)
    value: Any = claims
    for step in path.split("."):
        value = _member(value, step)
    return value


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
