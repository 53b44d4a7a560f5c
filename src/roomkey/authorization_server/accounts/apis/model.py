"""An API as a value, and which of them an actor sees and may change."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from msgspec import Meta
from sqlalchemy import ColumnElement, or_, select, true

from roomkey.authorization_server.accounts.syntax import from_row
from roomkey.authorization_server.audit.record import Subject
from roomkey.authorization_server.commands.fields import ScopeName, Text, Value
from roomkey.authorization_server.errors import NotAllowed, NotFound
from roomkey.authorization_server.schema.accounts import api_scopes, apis
from roomkey.authorization_server.unit_of_work import UnitOfWork

Format = Literal["jwt", "opaque"]
Algorithm = Literal["ES256", "RS256", "EdDSA", "HS256"]


class Scope(Value, frozen=True):
    """A scope of an API, and a plain sentence that says what it allows."""

    name: ScopeName
    description: Annotated[Text, Meta(description="What it allows, in a plain sentence.")] = ""

    @classmethod
    def from_text(cls, text: str) -> Self:
        """A scope as it is typed: ``orders:read``, or ``orders:read=See the orders``; raises Invalid."""
        name, _, sentence = text.partition("=")
        return cls(name, sentence)

    def __str__(self) -> str:
        return f"{self.name}={self.description}" if self.description else self.name


@dataclass(frozen=True, slots=True)
class Api:
    """An API that tokens are for.

    Attributes:
        audience: its name in tokens.
        description: in words.
        client_id: the account by which it introspects.
        tenant: that it belongs to; None: to all.
        token_lifetime: of access tokens, in seconds.
        longest_app_token: in seconds.
        token_format: ``jwt`` or ``opaque``.
        algorithm: by which its JWTs are signed.
        needs_approval: whether somebody else has to agree to each app token.
        scopes: all that can be allowed there, by name.
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
    """The condition by which the actor sees an API: it belongs to their tenant, or to all."""
    tenant = uow.actor.tenant
    return true() if tenant is None else or_(apis.c.tenant == tenant, apis.c.tenant.is_(None))


def apis_of(uow: UnitOfWork, rows: Sequence[Any]) -> list[Api]:
    """The APIs in ``rows`` of the table."""
    scopes: dict[str, list[Scope]] = {row.audience: [] for row in rows}
    found = select(api_scopes).where(api_scopes.c.audience.in_(scopes)).order_by(api_scopes.c.scope)
    for row in uow.connection.execute(found):
        scopes[row.audience].append(Scope(row.scope, row.description))
    return [
        from_row(Api, row, needs_approval=bool(row.needs_approval), scopes=tuple(scopes[row.audience])) for row in rows
    ]


def visible_api(uow: UnitOfWork, audience: str) -> Api:
    """The API, where the actor may see it; raises NotFound."""
    row = uow.connection.execute(select(apis).where(apis.c.audience == audience, seen(uow))).first()
    if row is None:
        raise NotFound(f'There is no API "{audience}".')
    return apis_of(uow, [row])[0]


def audience_of(uow: UnitOfWork, client_id: str) -> str:
    """The API whose own account has this client_id, whoever the actor is; raises NotFound."""
    audience: str | None = uow.connection.scalar(select(apis.c.audience).where(apis.c.client_id == client_id))
    if audience is None:
        raise NotFound("There is no such API.")
    return audience


def changeable_api(uow: UnitOfWork, audience: str) -> Api:
    """The API, where its tenant is the actor's; raises NotFound, and NotAllowed for one that belongs to all."""
    api = visible_api(uow, audience)
    if not uow.actor.sees(api.tenant):
        raise NotAllowed(f"The API {audience} belongs to all tenants; an administrator of all tenants can change it.")
    return api


def audit_subject(api: Api) -> Subject:
    """The API as the subject of an audit event."""
    return Subject("api", api.audience, api.tenant)


def audit_details(api: Api) -> dict[str, Any]:
    """The facts about an API that the audit log keeps."""
    return {
        "description": api.description,
        "scopes": " ".join(api.scope_names),
        "token_lifetime": api.token_lifetime,
        "longest_app_token": api.longest_app_token,
        "token_format": api.token_format,
        "algorithm": api.algorithm,
        "needs_approval": api.needs_approval,
    }
