"""A client (service account), its authentication policy and the APIs that it may ask tokens for (values)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from roomkey.authorization_server.tokens.issue import NewAccessToken, Signer, TokenGrant, create_access_token
from roomkey.jose.jwks.key_set import KeySet


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """The digest of a client secret, valid until ``expires_at`` (seconds since 1970, or None)."""

    digest: bytes
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class ClientAuthPolicy:
    """The way in which a client must authenticate itself.

    Attributes:
        authentication: the one method, as RFC 8414 names it.
        secrets: those that it may use.
        keys: those of private_key_jwt, or None.
    """

    authentication: str
    secrets: tuple[StoredSecret, ...] = ()
    keys: KeySet | None = None


@dataclass(frozen=True, slots=True)
class TargetApi:
    """An API that tokens are issued for.

    Attributes:
        audience: its name in ``aud``.
        client_id: its own account, which may introspect its tokens.
        scopes: all that it knows.
        token_lifetime: of its access tokens, in seconds.
        signer: signs its tokens, or None where they are opaque.
    """

    audience: str
    client_id: str
    scopes: frozenset[str]
    token_lifetime: int
    signer: Signer | None

    def create_token(self, grant: TokenGrant, *, issuer: str, now: float) -> NewAccessToken:
        """Create an access token for this API at ``now`` (seconds since 1970)."""
        return create_access_token(grant, issuer=issuer, now=now, lifetime=self.token_lifetime, signer=self.signer)


@dataclass(frozen=True, slots=True)
class AllowedApi:
    """The scopes that a client may ask for at one API, and those that it gets where it asks for none."""

    api: TargetApi
    scopes: frozenset[str]
    defaults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client that is not disabled.

    Attributes:
        client_id: its name.
        config_version: the version of the configuration that all this was read at.
        is_api: whether it is an API's own account, which may introspect and nothing else.
        grants: the grant types that it may use.
        auth_policy: the way in which it must authenticate itself.
        access: what it may ask for, by audience.
        roles, tenant: what goes into its own tokens.
        audiences: of the APIs whose own account it is.
        redirect_uris: where authorization codes may go.
        native: whether it runs on a user's machine, on any loopback port (RFC 8252).
        allows_password_with_mfa: whether the password grant serves users who have a second factor.
    """

    client_id: str
    config_version: int
    is_api: bool
    grants: frozenset[str]
    auth_policy: ClientAuthPolicy
    access: Mapping[str, AllowedApi] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    tenant: str | None = None
    audiences: frozenset[str] = frozenset()
    redirect_uris: tuple[str, ...] = ()
    native: bool = False
    allows_password_with_mfa: bool = False
