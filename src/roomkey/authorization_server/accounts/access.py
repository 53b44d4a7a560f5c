"""The scopes that each account may ask for at each API: granted, narrowed, looked up."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import delete, insert, select

from roomkey.authorization_server.accounts.app_tokens import revocation
from roomkey.authorization_server.accounts.bounds import demand_scopes
from roomkey.authorization_server.accounts.syntax import words
from roomkey.authorization_server.commands.fields import Audience, Scopes, Value
from roomkey.authorization_server.errors import Invalid, NotAllowed
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import account_apis, api_scopes, apis
from roomkey.authorization_server.unit_of_work import UnitOfWork


class Access(Value, frozen=True):
    """The scopes that an account may ask for at one API.

    Attributes:
        audience: the API.
        scopes: all that it may ask for.
        default_scopes: what it gets where it asks for nothing: all of them, unless others are named; with none of them
            it must ask.
    """

    audience: Audience
    scopes: Scopes
    default_scopes: Annotated[
        Scopes | None, Meta(description="What it gets where it asks for nothing; null: all of its scopes.")
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.default_scopes is None:
            msgspec.structs.force_setattr(self, "default_scopes", self.scopes)

    @staticmethod
    def options_of(access: "Sequence[Access]") -> list[str]:
        """The options of the command line that stand for ``access``."""
        scopes = dict.fromkeys(scope for one in access for scope in one.scopes)
        defaults = dict.fromkeys(scope for one in access for scope in one.defaults)
        named = ["--default-scopes", " ".join(defaults)] if defaults.keys() != scopes.keys() else []
        return ["--apis", ",".join(one.audience for one in access), "--scopes", " ".join(scopes), *named]

    @property
    def defaults(self) -> tuple[str, ...]:
        """The default scopes."""
        return self.default_scopes or ()


def access_of(uow: UnitOfWork, client_ids: Sequence[str]) -> dict[str, tuple[Access, ...]]:
    """The access of each of these accounts, by client_id."""
    found: dict[str, list[Access]] = {client_id: [] for client_id in client_ids}
    rows = uow.connection.execute(
        select(account_apis).where(account_apis.c.client_id.in_(client_ids)).order_by(account_apis.c.audience)
    )
    for row in rows:
        found[row.client_id].append(_access(row))
    return {client_id: tuple(those) for client_id, those in found.items()}


def checked_access(uow: UnitOfWork, access: Sequence[Access], tenant: str | None) -> tuple[Access, ...]:
    """``access`` where an account of ``tenant`` may be given it by the actor; raises Invalid or NotAllowed."""
    if len({one.audience for one in access}) != len(access):
        raise Invalid("An API is named twice.", field="apis")
    return tuple(_checked(uow, one, tenant) for one in access)


def _checked(uow: UnitOfWork, access: Access, tenant: str | None) -> Access:
    audience = access.audience
    api = uow.connection.execute(select(apis).where(apis.c.audience == audience)).first()
    if api is None or not (api.tenant is None or (uow.actor.sees(api.tenant) and tenant in (None, api.tenant))):
        raise Invalid(f'There is no API "{audience}" that this account could use.', field="apis")
    known = set(uow.connection.scalars(select(api_scopes.c.scope).where(api_scopes.c.audience == audience)))
    scopes, defaults = tuple(dict.fromkeys(access.scopes)), tuple(dict.fromkeys(access.defaults))
    for scope in scopes:
        if scope not in known:
            raise Invalid(f'The API {audience} has no scope "{scope}".', field="scopes")
    if not scopes:
        raise Invalid(f"Name at least one scope of the API {audience}.", field="scopes")
    if not set(defaults) <= set(scopes):
        raise Invalid("The default scopes must be among the scopes.", field="default_scopes")
    if api.needs_approval and not uow.actor.may(Permission.CHANGE_ACCOUNTS):
        raise NotAllowed(f"Only an administrator can let an account use the API {audience}.")
    demand_scopes(uow, audience, scopes)
    return Access(audience, scopes, defaults)


def set_access(uow: UnitOfWork, client_id: str, access: Sequence[Access]) -> int:
    """Let the account ask for exactly ``access``, which was checked, and revoke its app tokens that hold more.

    Returns how many were revoked.
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
                    "default_scopes": " ".join(one.defaults),
                }
                for one in access
            ],
        )
    allowed: Mapping[str, tuple[str, ...]] = {one.audience: one.scopes for one in access}
    return sum(revocation.revoke_beyond(uow, client_id, one.audience, allowed.get(one.audience, ())) for one in held)


def remove_scopes(uow: UnitOfWork, audience: str, scopes: Iterable[str]) -> int:
    """Let no account ask for ``scopes`` of an API any more, and revoke app tokens that hold them; returns how many."""
    gone, revoked = set(scopes), 0
    for row in uow.connection.execute(select(account_apis).where(account_apis.c.audience == audience)).all():
        access = _access(row)
        if not gone & set(access.scopes):
            continue
        left = tuple(scope for scope in access.scopes if scope not in gone)
        default = tuple(scope for scope in access.defaults if scope not in gone)
        which = (account_apis.c.client_id == row.client_id, account_apis.c.audience == audience)
        if left:
            narrowed = {"scopes": " ".join(left), "default_scopes": " ".join(default)}
            uow.connection.execute(account_apis.update().where(*which).values(narrowed))
        else:
            uow.connection.execute(delete(account_apis).where(*which))
        revoked += revocation.revoke_beyond(uow, row.client_id, audience, left)
    return revoked


def _access(row: Any) -> Access:
    return Access(row.audience, words(row.scopes), words(row.default_scopes))
