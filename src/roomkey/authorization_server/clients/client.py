"""A service account and its APIs, as a request is judged by them (values)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from roomkey.authorization_server.tokens.issue import Signer
from roomkey.jose.jwks.key_set import KeySet


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """A secret that an account may prove itself with until ``expires_at`` (seconds since 1970, or None)."""

    digest: bytes
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class ClientAuthPolicy:
    """How an account must prove itself.

    Attributes:
        authentication: the one method, as RFC 8414 names it.
        secrets: those that it may use.
        keys: those of private_key_jwt, or None.
    """

    authentication: str
    secrets: tuple[KnownSecret, ...] = ()
    keys: KeySet | None = None


@dataclass(frozen=True, slots=True)
class Api:
    """An API that tokens are for.

    Attributes:
        audience: its name in ``aud``.
        client_id: its own account, which may introspect its tokens.
        scopes: all that it knows.
        token_lifetime: of its access tokens, in seconds.
        signer: what signs its tokens, or None where they are opaque.
    """

    audience: str
    client_id: str
    scopes: frozenset[str]
    token_lifetime: int
    signer: Signer | None


@dataclass(frozen=True, slots=True)
class Access:
    """What an account may ask for at one API, and what it gets where it asks for nothing."""

    api: Api
    scopes: frozenset[str]
    defaults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An account that is not disabled.

    Attributes:
        client_id: its name.
        generation: the mark of changes that all this is true for.
        is_api: whether it is an API's own account, which may introspect and nothing else.
        grants: the grant types that it may use.
        proof: how it must prove itself.
        access: by audience.
        roles, tenant: what goes into its own tokens.
        audiences: of the APIs whose own account it is.
        redirect_uris: where authorization codes may go.
        native: whether it runs on a person's machine, on any loopback port.
        allows_password_with_mfa: whether the password grant serves people who have a second factor.
    """

    client_id: str
    generation: int
    is_api: bool
    grants: frozenset[str]
    proof: ClientAuthPolicy
    access: Mapping[str, Access] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    tenant: str | None = None
    audiences: frozenset[str] = frozenset()
    redirect_uris: tuple[str, ...] = ()
    native: bool = False
    allows_password_with_mfa: bool = False
