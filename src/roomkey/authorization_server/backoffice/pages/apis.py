"""APIs: the list, one API, new ones, changes, secrets, disabling."""

from starlette.responses import Response

from roomkey.authorization_server.accounts.apis.commands import (
    ChangeApi,
    CreateApi,
    DisableApi,
    EnableApi,
    GetApi,
    ListApis,
    RotateApiSecret,
    RotateSharedSecret,
)
from roomkey.authorization_server.accounts.apis.model import Api, Scope, audience_of
from roomkey.authorization_server.accounts.service_accounts.commands import ListAccountSecrets, ListServiceAccounts
from roomkey.authorization_server.backoffice import snippets
from roomkey.authorization_server.backoffice.forms import OVERLAP, Confirmation
from roomkey.authorization_server.backoffice.lookups import tenant_choices
from roomkey.authorization_server.backoffice.page import Routes, Values, ask, done, show
from roomkey.authorization_server.backoffice.session import Visit, see_other
from roomkey.authorization_server.backoffice.shown_once import OneTimeSecret, show_once
from roomkey.authorization_server.backoffice.time_words import duration
from roomkey.authorization_server.commands.form import command_of
from roomkey.authorization_server.commands.paging import all_items
from roomkey.authorization_server.commands.terminal import in_terminal
from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.settings import DAY, HOUR
from roomkey.authorization_server.unit_of_work import UnitOfWork

_LIST = "/apis"
_CRUMB = ("APIs", _LIST)
_FIELDS = (
    *("scopes", "description", "token_lifetime", "longest_app_token", "token_format", "algorithm", "needs_approval"),
)
_MINUTES = (60, 120, 300, 600, 900, 1800, HOUR)
_DAYS = (DAY, 7 * DAY, 30 * DAY, 90 * DAY, 180 * DAY, 365 * DAY)
_ONE = f"{_LIST}/{{client_id}}"
ROUTES = Routes()


@ROUTES.get(_LIST, Permission.READ)
async def list_apis(visit: Visit) -> Response:
    """Show a page of APIs, by name."""
    after = visit.request.query_params.get("after")
    return await show(visit, "apis/list.html", found=await visit.view(ListApis(after=after)))


@ROUTES.get(_ONE, Permission.READ)
async def one_api(visit: Visit) -> Response:
    """Show an API, its clients, and code that protects it."""

    def read(uow: UnitOfWork) -> Values:
        api = _api(uow, visit)
        callers = tuple(all_items(uow, ListServiceAccounts(audience=api.audience)))
        return {
            "api": api,
            "callers": [(account.client_id, account.scopes_of(api.audience)) for account in callers],
            "secrets": ListAccountSecrets(api.client_id)(uow).items,
            "snippets": snippets.for_api(api, uow.settings.issuer),
            "may_change": uow.actor.may(Permission.CHANGE_APIS) and uow.actor.sees(api.tenant),
        }

    return await show(visit, "apis/one.html", **await visit.view(read))


@ROUTES.get(f"{_LIST}/~find", Permission.READ)
async def find_api(visit: Visit) -> Response:
    """Redirect to the API with this audience."""
    audience = visit.request.query_params.get("audience", "")
    return see_other(_url(await visit.view(GetApi(audience))))


@ROUTES.get(f"{_LIST}/~new", Permission.CHANGE_APIS)
async def new_api(visit: Visit) -> Response:
    """Show the form of a new API."""
    return await _new(visit)


@ROUTES.post(f"{_LIST}/~new", Permission.CHANGE_APIS)
async def create_api(visit: Visit) -> Response:
    """Create the API, and show the secret of its introspection client once."""

    def make(uow: UnitOfWork) -> OneTimeSecret:
        made = command_of(CreateApi, visit.form, "audience", "tenant", *_FIELDS, read=_READ)(uow)
        return _shown(uow, made.api, made.client_secret.value)

    try:
        return await show_once(visit, make)
    except ServiceError as refused:
        return await _new(visit, refused)


@ROUTES.get(f"{_ONE}/edit", Permission.CHANGE_APIS)
async def edit_api(visit: Visit) -> Response:
    """Show the form of an API's settings."""
    return await _edit(visit)


@ROUTES.post(f"{_ONE}/edit", Permission.CHANGE_APIS)
async def change_api(visit: Visit) -> Response:
    """Change it."""

    def act(uow: UnitOfWork) -> Api:
        audience = _api(uow, visit).audience
        return command_of(ChangeApi, visit.form, *_FIELDS, read=_READ, audience=audience)(uow).api

    try:
        changed = await visit.perform(act)
    except ServiceError as refused:
        return await _edit(visit, refused)
    return done(_url(changed), "changed")


@ROUTES.get(f"{_ONE}/rotate-secret", Permission.CHANGE_APIS)
async def ask_rotation(visit: Visit) -> Response:
    """Ask before the secret of the introspection client is rotated."""
    api = await visit.view(lambda uow: _api(uow, visit))
    question = Confirmation(
        title=f"Rotate the secret of {api.audience}?",
        crumbs=(_CRUMB, (api.audience, _url(api))),
        breaks=(
            "A new secret is created and shown once.",
            f"The present one is valid until the end of the overlap; then {api.audience} cannot introspect with it.",
        ),
        label="Rotate it",
        back=_url(api),
        command=in_terminal(RotateApiSecret, audience=api.audience, overlap=DAY),
        danger=False,
        choice=OVERLAP,
    )
    return await ask(visit, question)


@ROUTES.post(f"{_ONE}/rotate-secret", Permission.CHANGE_APIS)
async def rotate_secret(visit: Visit) -> Response:
    """Rotate the secret of the introspection client, and show the new one once."""
    overlap = visit.form.seconds("overlap")

    def make(uow: UnitOfWork) -> OneTimeSecret:
        api = _api(uow, visit)
        return _shown(uow, api, RotateApiSecret(api.audience, overlap=overlap)(uow).client_secret.value)

    return await show_once(visit, make)


@ROUTES.get(f"{_ONE}/shared-secret", Permission.CHANGE_APIS)
async def ask_shared_secret(visit: Visit) -> Response:
    """Ask before the API gets a new HS256 secret."""
    api = await visit.view(lambda uow: _api(uow, visit))
    question = Confirmation(
        title=f"Create a new HS256 secret for {api.audience}?",
        crumbs=(_CRUMB, (api.audience, _url(api))),
        breaks=(
            "A new secret is created and shown once; tokens are signed with it from now on.",
            f"{api.audience} rejects every new token until it has the secret, and every older one as soon as it has.",
        ),
        label="Create it",
        back=_url(api),
        command=in_terminal(RotateSharedSecret, audience=api.audience),
    )
    return await ask(visit, question)


@ROUTES.post(f"{_ONE}/shared-secret", Permission.CHANGE_APIS)
async def make_shared_secret(visit: Visit) -> Response:
    """Create it, and show it once."""

    def make(uow: UnitOfWork) -> OneTimeSecret:
        api = _api(uow, visit)
        secret = RotateSharedSecret(api.audience)(uow).shared_secret.reveal()
        return OneTimeSecret(
            title=f"The HS256 secret of {api.audience}",
            label="Shared secret",
            secret=secret,
            crumbs=(_CRUMB, (api.audience, _url(api))),
            snippets=snippets.for_shared_secret(api, secret, uow.settings.issuer),
            on=_url(api),
            command=in_terminal(RotateSharedSecret, audience=api.audience),
        )

    return await show_once(visit, make)


@ROUTES.get(f"{_ONE}/disable", Permission.CHANGE_APIS)
@ROUTES.get(f"{_ONE}/enable", Permission.CHANGE_APIS)
async def ask_switching(visit: Visit) -> Response:
    """Ask before the API is disabled or enabled."""

    def read(uow: UnitOfWork) -> tuple[Api, int]:
        api = _api(uow, visit)
        return api, len(tuple(all_items(uow, ListServiceAccounts(audience=api.audience))))

    api, callers = await visit.view(read)
    verb = "enable" if visit.request.scope["path"].endswith("/enable") else "disable"
    if verb == "enable":
        breaks: tuple[str, ...] = ("Tokens are issued for it again, and it may introspect tokens.",)
    else:
        breaks = (
            f"No tokens are issued for it: {callers} service accounts that may call it get none.",
            "It cannot introspect tokens any more. Tokens that it verifies by signature are valid until they expire.",
        )
    question = Confirmation(
        title=f"{verb.capitalize()} {api.audience}?",
        crumbs=(_CRUMB, (api.audience, _url(api))),
        breaks=breaks,
        label=f"{verb.capitalize()} it",
        back=_url(api),
        command=in_terminal(EnableApi if verb == "enable" else DisableApi, audience=api.audience),
        danger=verb == "disable",
        note=("reason", "Reason") if verb == "disable" else None,
    )
    return await ask(visit, question)


@ROUTES.post(f"{_ONE}/disable", Permission.CHANGE_APIS)
async def disable_api(visit: Visit) -> Response:
    """Disable it."""

    def act(uow: UnitOfWork) -> Api:
        return command_of(DisableApi, visit.form, "reason", audience=_api(uow, visit).audience)(uow)

    return done(_url(await visit.perform(act)), "disabled")


@ROUTES.post(f"{_ONE}/enable", Permission.CHANGE_APIS)
async def enable_api(visit: Visit) -> Response:
    """Enable it."""
    return done(_url(await visit.perform(lambda uow: EnableApi(_api(uow, visit).audience)(uow))), "enabled")


def _api(uow: UnitOfWork, visit: Visit) -> Api:
    """The API of the page's address, which names its account: an audience may be a URL, with slashes in it."""
    return GetApi(audience_of(uow, visit.request.path_params["client_id"]))(uow)


def _url(api: Api) -> str:
    return f"{_LIST}/{api.client_id}"


async def _new(visit: Visit, refused: ServiceError | None = None) -> Response:
    values = _choices(visit) | {"tenants": await visit.view(tenant_choices)}
    form = dict(visit.form.fields) or {"token_lifetime": "300", "longest_app_token": str(90 * DAY)}
    return await show(visit, "apis/new.html", refused=refused, form=form, **values)


async def _edit(visit: Visit, refused: ServiceError | None = None) -> Response:
    api = await visit.view(lambda uow: _api(uow, visit))
    form = dict(visit.form.fields) or {
        "description": api.description,
        "scopes": "\n".join(f"{scope.name}  {scope.description}".rstrip() for scope in api.scopes),
        "token_lifetime": str(api.token_lifetime),
        "longest_app_token": str(api.longest_app_token),
        "token_format": api.token_format,
        "algorithm": api.algorithm,
        "needs_approval": "yes" if api.needs_approval else "no",
    }
    return await show(visit, "apis/edit.html", refused=refused, api=api, form=form, **_choices(visit, api))


def _choices(visit: Visit, api: Api | None = None) -> Values:
    settings = visit.service.settings
    own = (api.token_lifetime, api.longest_app_token) if api else (settings.access_token_lifetime, 90 * DAY)
    return {
        "token_lifetimes": _worded(_MINUTES, own[0], settings.longest_access_token),
        "app_token_lifetimes": _worded(_DAYS, own[1], settings.longest_app_token),
    }


def _worded(usual: tuple[int, ...], own: int, most: int) -> list[tuple[int, str]]:
    return [(seconds, duration(seconds)) for seconds in sorted({*usual, own}) if seconds <= most]


def _scopes(sent: tuple[str, ...]) -> list[Scope]:
    """The scopes of a text field: of each line the scope and the sentence after it."""
    lines = "\n".join(sent).splitlines()
    parts = (line.strip().split(maxsplit=1) for line in lines if line.strip())
    return [Scope(part[0], part[1] if len(part) > 1 else "") for part in parts]


_READ = {"scopes": _scopes}


def _shown(uow: UnitOfWork, api: Api, secret: str) -> OneTimeSecret:
    issuer = uow.settings.issuer
    return OneTimeSecret(
        title=f"The secret of {api.audience}",
        label="client_secret",
        secret=secret,
        crumbs=(_CRUMB, (api.audience, _url(api))),
        facts=(("client_id", api.client_id), ("Introspection endpoint", f"{issuer}/oauth2/introspect")),
        snippets=snippets.for_api_secret(api, secret, issuer),
        on=_url(api),
        command=in_terminal(RotateApiSecret, audience=api.audience),
    )
