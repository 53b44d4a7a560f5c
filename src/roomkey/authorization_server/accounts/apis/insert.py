"""Write APIs to the database: the row, its scopes, the account by which it introspects; the service's own API."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from roomkey.authorization_server.accounts.apis.model import Api, Scope, audit_details, audit_subject, visible_api
from roomkey.authorization_server.accounts.service_accounts.commands import add_account
from roomkey.authorization_server.accounts.service_accounts.model import BUILT_IN
from roomkey.authorization_server.accounts.syntax import one_line
from roomkey.authorization_server.audit.record import record_event
from roomkey.authorization_server.commands.fields import MOST
from roomkey.authorization_server.errors import Conflict, Invalid
from roomkey.authorization_server.schema import accounts as schema
from roomkey.authorization_server.schema.accounts import api_scopes
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork

SHORTEST_TOKEN: Final = 30
SHORTEST_APP_TOKEN: Final = 60
_USUAL_APP_TOKEN: Final = 90 * DAY


def ensure_built_in(uow: UnitOfWork) -> None:
    """Create the record of the service's own API, whose tokens its admin API takes, where there is none.

    Its account has no secret, so that nobody can be it (auth service 6), and only administrators let others use it.
    """
    if uow.connection.scalar(select(schema.apis.c.audience).where(schema.apis.c.audience == BUILT_IN)) is not None:
        return
    values = {
        "audience": BUILT_IN,
        "client_id": BUILT_IN,
        "description": "The admin API of this service",
        "tenant": None,
        **checked_lifetimes(uow, None, None),
        "token_format": "jwt",
        "algorithm": "ES256",
        "needs_approval": 1,
        "created_at": uow.now,
    }
    scopes = (
        Scope("admin:read", "See whatever the roles of the account allow."),
        Scope("admin:write", "Change whatever the roles of the account allow."),
    )
    try:
        made = insert_api(uow, values, scopes_by_name(scopes))
    except Conflict:
        return  # another node was first
    record_event(uow, "api.created", audit_subject(made), client_id=BUILT_IN, after=audit_details(made))


def insert_api(uow: UnitOfWork, values: dict[str, Any], scopes: dict[str, Scope]) -> Api:
    """Insert an API and its account; raises Conflict where the name is taken."""
    audience = values["audience"]
    if uow.connection.scalar(select(schema.apis.c.audience).where(schema.apis.c.audience == audience)) is not None:
        raise Conflict(f'There is an API "{audience}" already.')
    add_account(
        uow,
        {
            "client_id": values["client_id"],
            "kind": "api",
            "description": f"The API {audience} itself: it may introspect its tokens",
            "tenant": values["tenant"],
            "authentication": "client_secret_basic",
            "created_at": uow.now,
        },
    )
    try:
        with uow.connection.begin_nested():
            uow.connection.execute(insert(schema.apis).values(values))
    except IntegrityError:
        raise Conflict(f'There is an API "{audience}" already.') from None
    insert_scopes(uow, audience, scopes)
    return visible_api(uow, audience)


def insert_scopes(uow: UnitOfWork, audience: str, scopes: dict[str, Scope]) -> None:
    """Insert the scopes of an API; raises Invalid where they are none or too many."""
    if not scopes:
        raise Invalid("An API needs at least one scope.", field="scopes")
    if len(scopes) > MOST:
        raise Invalid(f"An API has at most {MOST} scopes.", field="scopes")
    rows = [
        {"audience": audience, "scope": name, "description": one_line(scope.description)}
        for name, scope in scopes.items()
    ]
    uow.connection.execute(insert(api_scopes), rows)


def scopes_by_name(scopes: Iterable[Scope]) -> dict[str, Scope]:
    """The scopes by their names."""
    return {scope.name: scope for scope in scopes}


def checked_lifetimes(uow: UnitOfWork, token_lifetime: int | None, longest_app_token: int | None) -> dict[str, Any]:
    """Both lifetimes in seconds, the service's own where they are None; raises Invalid."""
    settings = uow.settings
    lifetime = settings.access_token_lifetime if token_lifetime is None else token_lifetime
    longest = min(_USUAL_APP_TOKEN, settings.longest_app_token) if longest_app_token is None else longest_app_token
    for value, name, least, most in (
        (lifetime, "token_lifetime", SHORTEST_TOKEN, settings.longest_access_token),
        (longest, "longest_app_token", SHORTEST_APP_TOKEN, settings.longest_app_token),
    ):
        if not least <= value <= most:
            raise Invalid(f"The {name} must be from {least} to {most} seconds.", field=name)
    return {"token_lifetime": lifetime, "longest_app_token": longest}
