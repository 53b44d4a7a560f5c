"""Commands on APIs: create together with the account by which they introspect, list, change, disable; their scopes."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import delete, select, update

from roomkey.authorization_server.accounts import access
from roomkey.authorization_server.accounts.apis.insert import (
    checked_lifetimes,
    insert_api,
    insert_scopes,
    scopes_by_name,
)
from roomkey.authorization_server.accounts.apis.model import (
    Algorithm,
    Api,
    Format,
    Scope,
    apis_of,
    audit_details,
    audit_subject,
    changeable_api,
    seen,
    visible_api,
)
from roomkey.authorization_server.accounts.bounds import demand_scopes
from roomkey.authorization_server.accounts.service_accounts import secrets
from roomkey.authorization_server.accounts.service_accounts.model import BUILT_IN
from roomkey.authorization_server.accounts.service_accounts.secrets import RotatedSecret
from roomkey.authorization_server.accounts.syntax import is_client_id, one_line
from roomkey.authorization_server.accounts.tenants.commands import tenant_of_new
from roomkey.authorization_server.commands import fields
from roomkey.authorization_server.commands.command import Command, command
from roomkey.authorization_server.commands.fields import MOST, Audience, Overlap, Reason, Seconds, Tenant, Text, Typed
from roomkey.authorization_server.commands.paging import ListCommand, Page, by_name, page_of
from roomkey.authorization_server.errors import Conflict, Invalid
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema import accounts as schema
from roomkey.authorization_server.schema.accounts import api_scopes
from roomkey.authorization_server.secret_format import GeneratedSecret
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id
from roomkey.secret import Secret

NewScopes = Annotated[tuple[Scope, ...], Meta(max_length=MOST, description="Its scopes, separated by spaces.")]
TokenFormat = Annotated[
    Format, Meta(description="Of its tokens; jwt by default."), Typed("--format", metavar="jwt|opaque")
]
SignedBy = Annotated[
    Algorithm,
    Meta(description="What its tokens are signed with; ES256 by default."),
    Typed(metavar="ES256|RS256|EdDSA|HS256"),
]
Lifetime = Annotated[Seconds, Meta(description="Of its access tokens, such as 5m.")]
LongestAppToken = Annotated[Seconds, Meta(description="Of its app tokens, such as 90d.")]
NeedsApproval = Annotated[
    bool,
    Meta(description="Whether somebody else has to agree to each app token."),
    Typed("--needs-approval/--no-approval"),
]


@dataclass(frozen=True, slots=True)
class CreatedApi:
    """A new API with its secrets, which are in no other response.

    Attributes:
        api: the API.
        client_secret: of its own account.
        shared_secret: by which it verifies HS256; None with another algorithm.
    """

    api: Api
    client_secret: GeneratedSecret = field(repr=False)
    shared_secret: Secret | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChangedApi:
    """An API as it is now.

    Attributes:
        api: the API.
        ended_app_tokens: how many were revoked because they held a scope that is gone.
        shared_secret: by which it verifies, where it has just turned to HS256; in no other response.
    """

    api: Api
    ended_app_tokens: int
    shared_secret: Secret | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """A new secret by which an API verifies HS256, which is in no other response."""

    audience: str
    shared_secret: Secret = field(repr=False)


@command("api list", "GET /apis", permission=Permission.READ)
class ListApis(ListCommand[Api], frozen=True):
    """List the APIs."""

    search: fields.Search = ""

    def run(self, uow: UnitOfWork) -> Page[Api]:
        """The APIs that the actor sees, by audience."""
        statement = select(schema.apis).where(seen(uow))
        if self.search:
            statement = statement.where(schema.apis.c.audience.contains(self.search, autoescape=True))
        rows = uow.connection.execute(
            by_name(statement, schema.apis.c.audience, after=self.after, limit=self.limit)
        ).all()
        return page_of(rows, self.limit, lambda shown: apis_of(uow, shown), lambda row: str(row.audience))


@command("api create", "POST /apis", permission=Permission.CHANGE_APIS, event="api.created", status=201)
class CreateApi(Command[CreatedApi], frozen=True):
    """Create an API, and the account by which it introspects.

    The account may do nothing else. Give the scopes plain sentences: users read them when they ask for tokens. Where no
    lifetime is named, it is the service's own, and 90 days for app tokens.
    """

    audience: Audience
    scopes: Annotated[NewScopes, Typed(metavar='"A B"')]
    description: Text = ""
    tenant: Tenant | None = None
    token_lifetime: Lifetime | None = None
    longest_app_token: LongestAppToken | None = None
    token_format: TokenFormat = "jwt"  # noqa: S105 - a format
    algorithm: SignedBy = "ES256"
    needs_approval: NeedsApproval = False

    def run(self, uow: UnitOfWork) -> CreatedApi:
        """Raises Invalid, Conflict, NotAllowed."""
        values = {
            "audience": self.audience,
            "client_id": self.audience if is_client_id(self.audience) else new_id("api"),
            "description": one_line(self.description),
            "tenant": tenant_of_new(uow, self.tenant),
            **checked_lifetimes(uow, self.token_lifetime, self.longest_app_token),
            "token_format": self.token_format,
            "algorithm": self.algorithm,
            "needs_approval": int(self.needs_approval),
            "created_at": uow.now,
        }
        made = insert_api(uow, values, scopes_by_name(self.scopes))
        secret = secrets.add_secret(uow, made.client_id)
        self.record(uow, audit_subject(made), client_id=made.client_id, after=audit_details(made))
        shared_secret = _ensure_key(uow, self.audience, self.algorithm)
        uow.bump_config_version()
        return CreatedApi(made, secret, shared_secret)


@command(
    "api rotate-secret",
    "POST /apis/{audience:whole}/rotate-secret",
    permission=Permission.CHANGE_APIS,
    event="service_account.secret_rotated",
)
class RotateApiSecret(Command[RotatedSecret], frozen=True):
    """Make a new secret for an API's own account."""

    audience: fields.Api
    overlap: Overlap = 0

    def run(self, uow: UnitOfWork) -> RotatedSecret:
        """Raises NotFound, NotAllowed, Conflict."""
        uow.demand(Permission.CHANGE_ACCOUNTS, Permission.CHANGE_OWN_ACCOUNTS)
        return secrets.rotate(uow, _changeable(uow, self.audience).client_id, self.overlap)


@command(
    "api rotate-shared-secret",
    "POST /apis/{audience:whole}/rotate-shared-secret",
    permission=Permission.CHANGE_APIS,
    event="api.shared_secret_made",
)
class RotateSharedSecret(Command[SharedSecret], frozen=True):
    """Make a new secret to verify HS256 with.

    Tokens that were signed with the old one are rejected as soon as the API uses this one.
    """

    audience: fields.Api

    def run(self, uow: UnitOfWork) -> SharedSecret:
        """Raises NotFound, NotAllowed, Conflict."""
        from roomkey.authorization_server.keys.signer import new_shared_secret

        api = _changeable(uow, self.audience)
        demand_scopes(uow, self.audience, api.scope_names)  # with the secret one can make tokens of all scopes
        return SharedSecret(self.audience, new_shared_secret(uow, self.audience))


@command("api disable", "POST /apis/{audience:whole}/disable", permission=Permission.CHANGE_APIS, event="api.disabled")
class DisableApi(Command[Api], frozen=True):
    """Issue no more tokens for an API.

    It introspects none either, until it is enabled.
    """

    audience: fields.Api
    reason: Reason = ""

    def run(self, uow: UnitOfWork) -> Api:
        """Does nothing where it is disabled. Raises NotFound, NotAllowed, Conflict."""
        return _set_disabled_at(self, uow, uow.now)


@command("api enable", "POST /apis/{audience:whole}/enable", permission=Permission.CHANGE_APIS, event="api.enabled")
class EnableApi(Command[Api], frozen=True):
    """Issue tokens for an API again."""

    audience: fields.Api
    reason: Reason = ""

    def run(self, uow: UnitOfWork) -> Api:
        """Does nothing where it is enabled. Raises NotFound, NotAllowed, Conflict."""
        return _set_disabled_at(self, uow, None)


@command("api show", "GET /apis/{audience:whole}", permission=Permission.READ)
class GetApi(Command[Api], frozen=True):
    """Show one API."""

    audience: fields.Api

    def run(self, uow: UnitOfWork) -> Api:
        """Raises NotFound where there is none that the actor sees."""
        return visible_api(uow, self.audience)


@command("api change", "PATCH /apis/{audience:whole}", permission=Permission.CHANGE_APIS, event="api.changed")
class ChangeApi(Command[ChangedApi], frozen=True):
    """Change an API.

    What is not named stays as it is, and so do tokens that exist. A scope that is removed is taken from the accounts at
    once and from refresh token families at the next refresh; app tokens that hold it are revoked.
    """

    audience: fields.Api
    description: Text | None = None
    scopes: Annotated[NewScopes | None, Meta(description="All that it has from now on."), Typed(read="never")] = None
    add_scopes: Annotated[
        NewScopes,
        Meta(description="A new scope, or a new sentence for one."),
        Typed("--add-scope", metavar='"SCOPE=SENTENCE"', read="each"),
    ] = ()
    remove_scopes: Annotated[
        fields.Scopes,
        Meta(description="Take a scope away; app tokens that hold it are revoked."),
        Typed("--remove-scope", metavar="SCOPE", read="each"),
    ] = ()
    token_lifetime: Lifetime | None = None
    longest_app_token: LongestAppToken | None = None
    token_format: TokenFormat | None = None
    algorithm: SignedBy | None = None
    needs_approval: NeedsApproval | None = None

    def run(self, uow: UnitOfWork) -> ChangedApi:
        """Raises NotFound, NotAllowed, Invalid, and Conflict for the service's own API."""
        api = _changeable(uow, self.audience)
        algorithm = self.algorithm or api.algorithm
        values: dict[str, Any] = checked_lifetimes(
            uow,
            api.token_lifetime if self.token_lifetime is None else self.token_lifetime,
            api.longest_app_token if self.longest_app_token is None else self.longest_app_token,
        )
        values |= {"token_format": self.token_format or api.token_format, "algorithm": algorithm}
        if self.description is not None:
            values["description"] = one_line(self.description)
        if self.needs_approval is not None:
            values["needs_approval"] = int(self.needs_approval)
        if algorithm == "HS256" != api.algorithm:  # with the secret one can make tokens of all scopes
            demand_scopes(uow, self.audience, api.scope_names)
        shared_secret = _ensure_key(uow, self.audience, algorithm, before=api.algorithm)
        uow.connection.execute(update(schema.apis).where(schema.apis.c.audience == self.audience).values(values))
        revoked = self._set_scopes(uow, api)
        changed = visible_api(uow, self.audience)
        self.record(
            uow, audit_subject(api), before=audit_details(api), after=audit_details(changed), ended_app_tokens=revoked
        )
        uow.bump_config_version()
        return ChangedApi(changed, revoked, shared_secret)

    def _set_scopes(self, uow: UnitOfWork, api: Api) -> int:
        """Write the scopes, take those that are gone from the accounts, and return how many app tokens were revoked."""
        unknown = set(self.remove_scopes) - set(api.scope_names)
        if unknown:
            raise Invalid(f'The API {api.audience} has no scope "{min(unknown)}".', field="remove_scopes")
        wanted = scopes_by_name(api.scopes if self.scopes is None else self.scopes) | scopes_by_name(self.add_scopes)
        scopes = {name: scope for name, scope in wanted.items() if name not in self.remove_scopes}
        if tuple(scopes.values()) == api.scopes:
            return 0
        uow.connection.execute(delete(api_scopes).where(api_scopes.c.audience == api.audience))
        insert_scopes(uow, api.audience, scopes)
        return access.remove_scopes(uow, api.audience, set(api.scope_names) - scopes.keys())


def _changeable(uow: UnitOfWork, audience: str) -> Api:
    api = changeable_api(uow, audience)
    if audience == BUILT_IN:
        raise Conflict("The API of the service itself stays as it is.")
    return api


def _set_disabled_at(act: DisableApi | EnableApi, uow: UnitOfWork, disabled_at: int | None) -> Api:
    api = _changeable(uow, act.audience)
    if (api.disabled_at is None) == (disabled_at is None):
        return api
    for table, which in (
        (schema.apis, schema.apis.c.audience == api.audience),
        (schema.service_accounts, schema.service_accounts.c.client_id == api.client_id),
    ):
        uow.connection.execute(update(table).where(which).values(disabled_at=disabled_at))
    act.record(uow, audit_subject(api), reason=one_line(act.reason))
    uow.bump_config_version()
    return visible_api(uow, api.audience)


def _ensure_key(uow: UnitOfWork, audience: str, algorithm: str, *, before: str = "") -> Secret | None:
    """Make sure that there is a key of ``algorithm``; returns it where it is a secret that the API has to be given."""
    # Imported here: to list APIs needs none of the keys.
    from roomkey.authorization_server.keys.new_key import ensure_signing_key
    from roomkey.authorization_server.keys.signer import new_shared_secret

    if algorithm == "HS256":
        return None if before == "HS256" else new_shared_secret(uow, audience)
    ensure_signing_key(uow, algorithm)
    return None
