"""An app token as a value, the order for one, and which of them an actor sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, select

from roomkey.authorization_server.accounts.apis.insert import SHORTEST_APP_TOKEN
from roomkey.authorization_server.accounts.apis.model import Api, visible_api
from roomkey.authorization_server.accounts.bounds import demand_not_stronger, demand_scopes
from roomkey.authorization_server.accounts.service_accounts.model import ServiceAccount, owns, visible_account
from roomkey.authorization_server.accounts.syntax import from_row, words
from roomkey.authorization_server.errors import Conflict, Invalid, NotFound
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import service_accounts
from roomkey.authorization_server.schema.tokens import app_tokens
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork

PRESETS: Final = (DAY, 7 * DAY, 30 * DAY, 90 * DAY, 180 * DAY, 365 * DAY)


@dataclass(frozen=True, slots=True)
class AppToken:
    """Facts about an app token; not the token, which nobody keeps.

    Attributes:
        id: its name.
        client_id: the account that acts with it.
        audience: the API that it is for.
        scopes: all that it allows.
        token_format: ``jwt`` or ``opaque``.
        hint: its first and last characters.
        tenant: of the account.
        owner_id: the user who asked for it, or None.
        created_by: the actor who made it, as in the audit log.
        lifetime: that it was made for, in seconds; a rotation may make it expire sooner.
        created_at, expires_at, revoked_at, last_used_at: seconds since 1970, or None.
        replaced_by: the id of the token that a rotation made, or None.
    """

    id: str
    client_id: str
    audience: str
    scopes: tuple[str, ...]
    token_format: str
    hint: str
    tenant: str | None
    owner_id: str | None
    created_by: str
    lifetime: int
    created_at: int
    expires_at: int
    revoked_at: int | None
    replaced_by: str | None
    last_used_at: int | None

    def state(self, now: int) -> str:
        """``live``, ``replaced`` (live until its overlap ends), ``expired`` or ``revoked`` at ``now``."""
        if self.revoked_at is not None:
            return "revoked"
        if now >= self.expires_at:
            return "expired"
        return "live" if self.replaced_by is None else "replaced"


@dataclass(frozen=True, slots=True)
class Order:
    """An app token that may be made.

    Attributes:
        account: that will act with it.
        api: that it will be for.
        scopes: all that it will allow.
        lifetime: in seconds.
        token_format: ``jwt`` or ``opaque``.
    """

    account: ServiceAccount
    api: Api
    scopes: tuple[str, ...]
    lifetime: int
    token_format: str


def presets(api: Api) -> tuple[int, ...]:
    """The lifetimes to choose from, in seconds; the last one is the longest that the API allows."""
    return (*(seconds for seconds in PRESETS if seconds < api.longest_app_token), api.longest_app_token)


def checked_order(
    uow: UnitOfWork, *, client_id: str, audience: str, scopes: Sequence[str], lifetime: int, token_format: str | None
) -> Order:
    """The order, where account and actor may have it; raises NotFound, Invalid, NotAllowed, Conflict."""
    account = visible_account(uow, client_id)
    api = visible_api(uow, audience)
    for enabled, what in ((account.enabled, f"account {client_id}"), (api.enabled, f"API {audience}")):
        if not enabled:
            raise Conflict(f"The {what} is disabled; enable it first.")
    chosen = tuple(dict.fromkeys(scopes))
    beyond = set(chosen) - (set(account.scopes_of(audience)) & set(api.scope_names))
    if beyond or not chosen:
        which = f"the scope {min(beyond)}" if beyond else "nothing"
        raise Invalid(f"The account {client_id} cannot be allowed {which} at {audience}.", field="scopes")
    demand_scopes(uow, audience, chosen)
    if not SHORTEST_APP_TOKEN <= lifetime <= api.longest_app_token:
        raise Invalid(
            f"The lifetime must be from {SHORTEST_APP_TOKEN} to {api.longest_app_token} seconds.", field="lifetime"
        )
    demand_not_stronger(uow, client_id, account.roles)
    return Order(account, api, chosen, lifetime, token_format or api.token_format)


def needs_approval(uow: UnitOfWork, order: Order) -> bool:
    """Whether somebody else has to agree: the API wants that, or the account is not the actor's to change."""
    own = owns(uow, order.account) or uow.actor.may(Permission.CHANGE_ACCOUNTS)
    return order.api.needs_approval or not own


def with_tenant() -> Select[Any]:
    """App tokens with the tenant of their account."""
    return select(app_tokens, service_accounts.c.tenant).join_from(
        app_tokens, service_accounts, service_accounts.c.client_id == app_tokens.c.client_id
    )


def visible_app_token(uow: UnitOfWork, id_: str) -> AppToken:
    """The app token, where the actor may see it; raises NotFound."""
    row = uow.connection.execute(with_tenant().where(app_tokens.c.id == id_)).first()
    if row is None or not uow.actor.sees(row.tenant):
        raise NotFound("There is no such app token.")
    return app_token_of(row)


def app_token_of(row: Any) -> AppToken:
    """The app token in a row of ``with_tenant``."""
    return from_row(AppToken, row, scopes=words(row.scope), lifetime=row.exp - row.created_at)
