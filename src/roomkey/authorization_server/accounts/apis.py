"""APIs: made together with the account by which they introspect, listed, changed, disabled; their scopes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from roomkey.authorization_server.accounts import access, account_secrets, service_accounts
from roomkey.authorization_server.accounts.api import (
    ALGORITHMS,
    FORMATS,
    Api,
    Scope,
    apis_of,
    changeable_api,
    seen,
    visible_api,
)
from roomkey.authorization_server.accounts.bounds import demand_scopes
from roomkey.authorization_server.accounts.page import USUAL, Page, by_name, page_of
from roomkey.authorization_server.accounts.service_account import BUILT_IN
from roomkey.authorization_server.accounts.syntax import (
    checked_audience,
    checked_scopes,
    checked_seconds,
    checked_text,
    is_client_id,
)
from roomkey.authorization_server.accounts.tenants import tenant_of_new
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, Invalid
from roomkey.authorization_server.keys.new_key import ensure_signing_key
from roomkey.authorization_server.keys.signer import new_shared_secret
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema import accounts as schema
from roomkey.authorization_server.schema.accounts import api_scopes
from roomkey.authorization_server.secret_format import GeneratedSecret
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id
from roomkey.secret import Secret

SHORTEST_TOKEN: Final = 30
SHORTEST_APP_TOKEN: Final = 60
_USUAL_APP_TOKEN: Final = 90 * DAY


@dataclass(frozen=True, slots=True)
class NewApi:
    """An API that was just made, with secrets that are to be shown once.

    Attributes:
        api: the API.
        client_secret: of its own account.
        shared_secret: by which it verifies HS256; None with another algorithm.
    """

    api: Api
    client_secret: GeneratedSecret
    shared_secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class ChangedApi:
    """An API as it is now.

    Attributes:
        api: the API.
        ended_app_tokens: how many ended because they held a scope that is gone.
        shared_secret: by which it verifies, where it has just turned to HS256; to be shown once.
    """

    api: Api
    ended_app_tokens: int
    shared_secret: Secret | None = None


def create(
    uow: UnitOfWork,
    *,
    audience: str,
    scopes: Iterable[Scope],
    description: str = "",
    tenant: str | None = None,
    token_lifetime: int | None = None,
    longest_app_token: int | None = None,
    token_format: str = "jwt",  # noqa: S107 - a format
    algorithm: str = "ES256",
    needs_approval: bool = False,
) -> NewApi:
    """A new API, and its own service account, which may introspect and nothing else. Raises Invalid, Conflict.

    Times are in seconds; without one it is the service's own, and for app tokens 90 days.
    """
    uow.demand(Permission.CHANGE_APIS)
    uow.lock_admin_changes()
    values = {
        "audience": checked_audience(audience),
        "client_id": audience if is_client_id(audience) else new_id("api"),
        "description": checked_text(description, "description"),
        "tenant": tenant_of_new(uow, tenant),
        **_checked(uow, token_lifetime, longest_app_token, token_format, algorithm),
        "needs_approval": int(needs_approval),
        "created_at": uow.now,
    }
    chosen = _checked_scopes(scopes)
    made = _add(uow, values, chosen)
    secret = account_secrets.add(uow, made.client_id)
    record_event(uow, "api.created", _subject(made), client_id=made.client_id, after=_told(made))
    shared_secret = _ensure_key(uow, audience, algorithm)
    uow.bump_config_version()
    return NewApi(made, secret, shared_secret)


def ensure_built_in(uow: UnitOfWork) -> None:
    """Make the record of the service's own API, whose tokens its admin API takes, where there is none.

    Its account has no secret, so that nobody can be it (auth service 6), and only administrators let others use it.
    """
    if uow.connection.scalar(select(schema.apis.c.audience).where(schema.apis.c.audience == BUILT_IN)) is not None:
        return
    values = {
        "audience": BUILT_IN,
        "client_id": BUILT_IN,
        "description": "The admin API of this service",
        "tenant": None,
        **_checked(uow, None, None, "jwt", "ES256"),
        "needs_approval": 1,
        "created_at": uow.now,
    }
    scopes = (
        Scope("admin:read", "See whatever the roles of the account allow."),
        Scope("admin:write", "Change whatever the roles of the account allow."),
    )
    try:
        made = _add(uow, values, scopes)
    except Conflict:
        return  # another node was first
    record_event(uow, "api.created", _subject(made), client_id=BUILT_IN, after=_told(made))


def get(uow: UnitOfWork, audience: str) -> Api:
    """One API; raises NotFound where there is none that the actor sees."""
    uow.demand(Permission.READ)
    return visible_api(uow, audience)


def find(uow: UnitOfWork, *, after: str | None = None, limit: int = USUAL, search: str = "") -> Page[Api]:
    """The APIs that the actor sees, by audience."""
    uow.demand(Permission.READ)
    statement = select(schema.apis).where(seen(uow))
    if search:
        statement = statement.where(schema.apis.c.audience.contains(search, autoescape=True))
    rows = uow.connection.execute(by_name(statement, schema.apis.c.audience, after=after, limit=limit)).all()
    return page_of(rows, limit, lambda shown: apis_of(uow, shown), lambda row: str(row.audience))


def change(
    uow: UnitOfWork,
    audience: str,
    *,
    description: str | None = None,
    token_lifetime: int | None = None,
    longest_app_token: int | None = None,
    token_format: str | None = None,
    algorithm: str | None = None,
    needs_approval: bool | None = None,
    scopes: Iterable[Scope] | None = None,
) -> ChangedApi:
    """Change what is given; None leaves things as they are. Tokens that exist stay as they are.

    ``scopes`` are all of them: one that is missing there goes, see ``remove_scopes``. Raises NotFound, NotAllowed,
    Invalid, and Conflict for the service's own API.
    """
    api = _demand(uow, audience)
    values: dict[str, Any] = _checked(
        uow,
        api.token_lifetime if token_lifetime is None else token_lifetime,
        api.longest_app_token if longest_app_token is None else longest_app_token,
        token_format or api.token_format,
        algorithm or api.algorithm,
    )
    if description is not None:
        values["description"] = checked_text(description, "description")
    if needs_approval is not None:
        values["needs_approval"] = int(needs_approval)
    if values["algorithm"] == "HS256" != api.algorithm:  # whoever is told the secret can make tokens of all scopes
        demand_scopes(uow, audience, api.scope_names)
    shared_secret = _ensure_key(uow, audience, values["algorithm"], before=api.algorithm)
    uow.connection.execute(update(schema.apis).where(schema.apis.c.audience == audience).values(values))
    ended = 0 if scopes is None else _set_scopes(uow, api, _checked_scopes(scopes))
    return replace(_changed(uow, api, ended), shared_secret=shared_secret)


def add_scopes(uow: UnitOfWork, audience: str, scopes: Iterable[Scope]) -> Api:
    """Give the API more scopes; one that it has gets the new sentence. Raises NotFound, NotAllowed, Invalid."""
    api = _demand(uow, audience)
    new = {scope.name: scope for scope in _checked_scopes(scopes)}
    all_of_them = {scope.name: scope for scope in api.scopes} | new
    _set_scopes(uow, api, _checked_scopes(all_of_them.values()))
    return _changed(uow, api, 0).api


def remove_scopes(uow: UnitOfWork, audience: str, scopes: Iterable[str]) -> ChangedApi:
    """Take scopes away: from the accounts at once, from refresh families at the next refresh; app tokens with them end.

    Raises NotFound, NotAllowed, Invalid.
    """
    api = _demand(uow, audience)
    gone = set(scopes)
    unknown = gone - set(api.scope_names)
    if unknown:
        raise Invalid(f'The API {audience} has no scope "{min(unknown)}".', field="scopes")
    left = _checked_scopes(scope for scope in api.scopes if scope.name not in gone)
    return _changed(uow, api, _set_scopes(uow, api, left))


def disable(uow: UnitOfWork, audience: str) -> Api:
    """Issue no tokens for the API, and let it introspect none, until it is enabled. Raises NotFound, NotAllowed."""
    return _switch(uow, audience, uow.now)


def enable(uow: UnitOfWork, audience: str) -> Api:
    """Issue tokens for a disabled API again. Raises NotFound, NotAllowed."""
    return _switch(uow, audience, None)


def rotate_secret(uow: UnitOfWork, audience: str, *, overlap: int = 0) -> account_secrets.NewSecret:
    """A new secret for the API's own account, see ``account_secrets.rotate``."""
    uow.demand(Permission.CHANGE_APIS)
    return account_secrets.rotate(uow, _demand(uow, audience).client_id, overlap=overlap)


def _demand(uow: UnitOfWork, audience: str) -> Api:
    uow.demand(Permission.CHANGE_APIS)
    uow.lock_admin_changes()
    api = changeable_api(uow, audience)
    if audience == BUILT_IN:
        raise Conflict("The API of the service itself stays as it is.")
    return api


def _switch(uow: UnitOfWork, audience: str, disabled_at: int | None) -> Api:
    api = _demand(uow, audience)
    if (api.disabled_at is None) == (disabled_at is None):
        return api
    for table, which in (
        (schema.apis, schema.apis.c.audience == audience),
        (schema.service_accounts, schema.service_accounts.c.client_id == api.client_id),
    ):
        uow.connection.execute(update(table).where(which).values(disabled_at=disabled_at))
    record_event(uow, "api.enabled" if disabled_at is None else "api.disabled", _subject(api))
    uow.bump_config_version()
    return visible_api(uow, audience)


def _add(uow: UnitOfWork, values: dict[str, Any], scopes: tuple[Scope, ...]) -> Api:
    audience = values["audience"]
    if uow.connection.scalar(select(schema.apis.c.audience).where(schema.apis.c.audience == audience)) is not None:
        raise Conflict(f'There is an API "{audience}" already.')
    service_accounts.add(
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
    _write_scopes(uow, audience, scopes)
    return visible_api(uow, audience)


def _set_scopes(uow: UnitOfWork, api: Api, scopes: tuple[Scope, ...]) -> int:
    uow.connection.execute(delete(api_scopes).where(api_scopes.c.audience == api.audience))
    _write_scopes(uow, api.audience, scopes)
    return access.take_away(uow, api.audience, set(api.scope_names) - {scope.name for scope in scopes})


def _write_scopes(uow: UnitOfWork, audience: str, scopes: tuple[Scope, ...]) -> None:
    rows = [{"audience": audience, "scope": scope.name, "description": scope.description} for scope in scopes]
    uow.connection.execute(insert(api_scopes), rows)


def _changed(uow: UnitOfWork, before: Api, ended: int) -> ChangedApi:
    after = visible_api(uow, before.audience)
    details = {"before": _told(before), "after": _told(after), "ended_app_tokens": ended}
    record_event(uow, "api.changed", _subject(before), **details)
    uow.bump_config_version()
    return ChangedApi(after, ended)


def _ensure_key(uow: UnitOfWork, audience: str, algorithm: str, *, before: str = "") -> Secret | None:
    """What the service signs with by ``algorithm``; returned where it is a secret that the API must be told."""
    if algorithm == "HS256":
        return None if before == "HS256" else new_shared_secret(uow, audience)
    ensure_signing_key(uow, algorithm)
    return None


def _checked(
    uow: UnitOfWork, token_lifetime: int | None, longest_app_token: int | None, token_format: str, algorithm: str
) -> dict[str, Any]:
    settings = uow.settings
    lifetime = settings.access_token_lifetime if token_lifetime is None else token_lifetime
    longest = min(_USUAL_APP_TOKEN, settings.longest_app_token) if longest_app_token is None else longest_app_token
    if token_format not in FORMATS:
        raise Invalid(f"The format of tokens is one of {', '.join(FORMATS)}.", field="token_format")
    if algorithm not in ALGORITHMS:
        raise Invalid(f"The algorithm is one of {', '.join(ALGORITHMS)}.", field="algorithm")
    return {
        "token_lifetime": checked_seconds(
            lifetime, "token_lifetime", least=SHORTEST_TOKEN, most=settings.longest_access_token
        ),
        "longest_app_token": checked_seconds(
            longest, "longest_app_token", least=SHORTEST_APP_TOKEN, most=settings.longest_app_token
        ),
        "token_format": token_format,
        "algorithm": algorithm,
    }


def _checked_scopes(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    chosen = {scope.name: checked_text(scope.description, "scopes") for scope in scopes}
    if not chosen:
        raise Invalid("An API needs at least one scope.", field="scopes")
    return tuple(Scope(name, chosen[name]) for name in checked_scopes(chosen))


def _subject(api: Api) -> Subject:
    return Subject("api", api.audience, api.tenant)


def _told(api: Api) -> dict[str, Any]:
    return {
        "description": api.description,
        "scopes": " ".join(api.scope_names),
        "token_lifetime": api.token_lifetime,
        "longest_app_token": api.longest_app_token,
        "token_format": api.token_format,
        "algorithm": api.algorithm,
        "needs_approval": api.needs_approval,
    }
