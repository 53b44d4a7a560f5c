"""An API as a value, and which of them an actor sees and may change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, or_, select, true

from roomkey.authorization_server.errors import NotAllowed, NotFound
from roomkey.authorization_server.schema.accounts import api_scopes, apis
from roomkey.authorization_server.unit_of_work import UnitOfWork

FORMATS: Final = ("jwt", "opaque")
ALGORITHMS: Final = ("ES256", "RS256", "EdDSA", "HS256")


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope of an API, and a plain sentence that says what it allows."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """An API that tokens are for.

    Attributes:
        audience: its name in tokens.
        description: in words.
        client_id: the account by which it introspects.
        tenant: whose it is; None: everybody's.
        token_lifetime: of access tokens, in seconds.
        longest_app_token: in seconds.
        token_format: ``jwt`` or ``opaque``.
        algorithm: what its JWTs are signed with.
        needs_approval: whether somebody else has to agree to each app token.
        scopes: what can be allowed there, by name.
        created_at, disabled_at: seconds since 1970.
    """

    audience: str
    description: str
    client_id: str
    tenant: str | None
    token_lifetime: int
    longest_app_token: int
    token_format: str
    algorithm: str
    needs_approval: bool
    scopes: tuple[Scope, ...]
    created_at: int
    disabled_at: int | None

    @property
    def enabled(self) -> bool:
        """Whether tokens are issued for it."""
        return self.disabled_at is None

    @property
    def scope_names(self) -> tuple[str, ...]:
        """The names of its scopes."""
        return tuple(scope.name for scope in self.scopes)


def seen(uow: UnitOfWork) -> ColumnElement[bool]:
    """The condition by which the actor sees an API: it is their tenant's, or everybody's."""
    tenant = uow.actor.tenant
    return true() if tenant is None else or_(apis.c.tenant == tenant, apis.c.tenant.is_(None))


def apis_of(uow: UnitOfWork, rows: Sequence[Any]) -> list[Api]:
    """The APIs in ``rows`` of the table."""
    scopes: dict[str, list[Scope]] = {row.audience: [] for row in rows}
    found = select(api_scopes).where(api_scopes.c.audience.in_(scopes)).order_by(api_scopes.c.scope)
    for row in uow.connection.execute(found):
        scopes[row.audience].append(Scope(row.scope, row.description))
    return [_api(row, tuple(scopes[row.audience])) for row in rows]


def visible_api(uow: UnitOfWork, audience: str) -> Api:
    """The API, where the actor may see it; raises NotFound."""
    row = uow.connection.execute(select(apis).where(apis.c.audience == audience, seen(uow))).first()
    if row is None:
        raise NotFound(f'There is no API "{audience}".')
    return apis_of(uow, [row])[0]


def audience_of(uow: UnitOfWork, client_id: str) -> str:
    """The API whose own account has this client_id, whoever asks; raises NotFound."""
    audience: str | None = uow.connection.scalar(select(apis.c.audience).where(apis.c.client_id == client_id))
    if audience is None:
        raise NotFound("There is no such API.")
    return audience


def changeable_api(uow: UnitOfWork, audience: str) -> Api:
    """The API, where its tenant is the actor's; raises NotFound, and NotAllowed for one that is everybody's."""
    api = visible_api(uow, audience)
    if not uow.actor.sees(api.tenant):
        raise NotAllowed(f"The API {audience} is everybody's; an administrator of all tenants can change it.")
    return api


def _api(row: Any, scopes: tuple[Scope, ...]) -> Api:
    return Api(
        audience=row.audience,
        description=row.description,
        client_id=row.client_id,
        tenant=row.tenant,
        token_lifetime=row.token_lifetime,
        longest_app_token=row.longest_app_token,
        token_format=row.token_format,
        algorithm=row.algorithm,
        needs_approval=bool(row.needs_approval),
        scopes=scopes,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )
