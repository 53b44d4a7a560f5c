"""What each account may ask for at each API: given, narrowed, looked up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from roomkey.authorization_server.accounts import app_token_ends
from roomkey.authorization_server.accounts.bounds import demand_scopes
from roomkey.authorization_server.accounts.syntax import checked_scopes, words
from roomkey.authorization_server.errors import Invalid, NotAllowed
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import account_apis, api_scopes, apis
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Access:
    """What an account may ask for at one API.

    Attributes:
        audience: the API.
        scopes: all that it may ask for.
        default_scopes: what it gets where it asks for nothing; empty: then it must ask.
    """

    audience: str
    scopes: tuple[str, ...]
    default_scopes: tuple[str, ...] = ()


def access_of(uow: UnitOfWork, client_ids: Sequence[str]) -> dict[str, tuple[Access, ...]]:
    """What each of these accounts may ask for, by client_id."""
    found: dict[str, list[Access]] = {client_id: [] for client_id in client_ids}
    rows = uow.connection.execute(
        select(account_apis).where(account_apis.c.client_id.in_(client_ids)).order_by(account_apis.c.audience)
    )
    for row in rows:
        found[row.client_id].append(_access(row))
    return {client_id: tuple(those) for client_id, those in found.items()}


def checked_access(uow: UnitOfWork, access: Iterable[Access], tenant: str | None) -> tuple[Access, ...]:
    """``access`` where an account of ``tenant`` may be given it by the actor; raises Invalid or NotAllowed."""
    chosen = tuple(access)
    if len({one.audience for one in chosen}) != len(chosen):
        raise Invalid("An API is named twice.", field="apis")
    return tuple(_checked(uow, one, tenant) for one in chosen)


def _checked(uow: UnitOfWork, access: Access, tenant: str | None) -> Access:
    audience = access.audience
    api = uow.connection.execute(select(apis).where(apis.c.audience == audience)).first()
    if api is None or not (api.tenant is None or (uow.actor.sees(api.tenant) and tenant in (None, api.tenant))):
        raise Invalid(f'There is no API "{audience}" that this account could use.', field="apis")
    known = set(uow.connection.scalars(select(api_scopes.c.scope).where(api_scopes.c.audience == audience)))
    scopes = checked_scopes(access.scopes)
    for scope in scopes:
        if scope not in known:
            raise Invalid(f'The API {audience} has no scope "{scope}".', field="scopes")
    if not scopes:
        raise Invalid(f"Name at least one scope of the API {audience}.", field="scopes")
    defaults = checked_scopes(access.default_scopes, "default_scopes")
    if not set(defaults) <= set(scopes):
        raise Invalid("The default scopes must be among the scopes.", field="default_scopes")
    if api.needs_approval and not uow.actor.may(Permission.CHANGE_ACCOUNTS):
        raise NotAllowed(f"Only an administrator can let an account use the API {audience}.")
    demand_scopes(uow, audience, scopes)
    return Access(audience, scopes, defaults)


def give(uow: UnitOfWork, client_id: str, access: Sequence[Access]) -> int:
    """Let the account ask for exactly ``access``, which was checked; app tokens that hold more end.

    Returns how many of them did.
    """
    held = access_of(uow, [client_id])[client_id]
    uow.connection.execute(delete(account_apis).where(account_apis.c.client_id == client_id))
    if access:
        uow.connection.execute(
            insert(account_apis),
            [
                {
                    "client_id": client_id,
                    "audience": one.audience,
                    "scopes": " ".join(one.scopes),
                    "default_scopes": " ".join(one.default_scopes),
                }
                for one in access
            ],
        )
    allowed: Mapping[str, tuple[str, ...]] = {one.audience: one.scopes for one in access}
    return sum(app_token_ends.end_beyond(uow, client_id, one.audience, allowed.get(one.audience, ())) for one in held)


def take_away(uow: UnitOfWork, audience: str, scopes: Iterable[str]) -> int:
    """Let no account ask for ``scopes`` of an API any more; app tokens that hold them end. Returns how many did."""
    gone, ended = set(scopes), 0
    for row in uow.connection.execute(select(account_apis).where(account_apis.c.audience == audience)).all():
        access = _access(row)
        if not gone & set(access.scopes):
            continue
        left = tuple(scope for scope in access.scopes if scope not in gone)
        default = tuple(scope for scope in access.default_scopes if scope not in gone)
        which = (account_apis.c.client_id == row.client_id, account_apis.c.audience == audience)
        if left:
            narrowed = {"scopes": " ".join(left), "default_scopes": " ".join(default)}
            uow.connection.execute(account_apis.update().where(*which).values(narrowed))
        else:
            uow.connection.execute(delete(account_apis).where(*which))
        ended += app_token_ends.end_beyond(uow, row.client_id, audience, left)
    return ended


def _access(row: Any) -> Access:
    return Access(row.audience, words(row.scopes), words(row.default_scopes))
