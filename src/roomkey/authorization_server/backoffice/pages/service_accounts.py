"""Service accounts: the list, one account, new ones, APIs and scopes, secrets, disabling."""

from starlette.responses import Response

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import ListApis
from roomkey.authorization_server.accounts.apis.model import Api
from roomkey.authorization_server.accounts.app_tokens.commands import ListAppTokens
from roomkey.authorization_server.accounts.service_accounts.commands import (
    ChangeServiceAccount,
    CreatedServiceAccount,
    CreateServiceAccount,
    DisableServiceAccount,
    EnableServiceAccount,
    GetServiceAccount,
    ListAccountSecrets,
    ListServiceAccounts,
    RotateAccountSecret,
)
from roomkey.authorization_server.accounts.service_accounts.model import BY_SECRET, ServiceAccount
from roomkey.authorization_server.backoffice import snippets
from roomkey.authorization_server.backoffice.forms import OVERLAP, Confirmation
from roomkey.authorization_server.backoffice.lookups import tenant_choices, token_state, usernames
from roomkey.authorization_server.backoffice.page import Routes, Values, ask, done, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.backoffice.shown_once import OneTimeSecret, show_once
from roomkey.authorization_server.commands.form import command_of
from roomkey.authorization_server.commands.paging import all_items
from roomkey.authorization_server.commands.terminal import in_terminal
from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork

_LIST = "/service-accounts"
_CRUMB = ("Service accounts", _LIST)
_FIELDS = (*("client_id", "description", "tenant", "grants", "authentication", "jwks", "redirect_uris", "roles"),)
_CHANGE = (Permission.CHANGE_ACCOUNTS, Permission.CHANGE_OWN_ACCOUNTS)
_ONE = f"{_LIST}/{{client_id}}"
ROUTES = Routes()


@ROUTES.get(_LIST, Permission.READ)
async def list_accounts(visit: Visit) -> Response:
    """Show a page of service accounts, by name."""
    query = visit.request.query_params
    search, after = query.get("q", ""), query.get("after")

    def read(uow: UnitOfWork) -> tuple[object, ...]:
        found = ListServiceAccounts(after=after, search=search)(uow)
        return found, usernames(uow, (account.owner_id for account in found.items))

    found, owners = await visit.view(read)
    return await show(visit, "service_accounts/list.html", found=found, owners=owners, query=search)


@ROUTES.get(_ONE, Permission.READ)
async def one_account(visit: Visit) -> Response:
    """Show an account with its secrets and app tokens."""
    client_id = visit.request.path_params["client_id"]

    def read(uow: UnitOfWork) -> Values:
        account = GetServiceAccount(client_id)(uow)
        return {
            "account": account,
            "secrets": ListAccountSecrets(client_id)(uow).items,
            "tokens": tuple(all_items(uow, ListAppTokens(client_id=client_id))),
            "owner": usernames(uow, [account.owner_id]).get(account.owner_id or "", ""),
            "may_change": _may_change(visit, account),
        }

    return await show(visit, "service_accounts/one.html", token_state=token_state, **await visit.view(read))


@ROUTES.get(f"{_LIST}/~new", *_CHANGE)
async def new_account(visit: Visit) -> Response:
    """Show the form of a new account."""
    return await _new(visit)


@ROUTES.post(f"{_LIST}/~new", *_CHANGE)
async def create_account(visit: Visit) -> Response:
    """Create the account, and show its secret once where it has one."""
    form = visit.form

    try:
        create = command_of(CreateServiceAccount, form, *_FIELDS, apis=_wanted(form.many("scope")))
        if create.authentication in BY_SECRET:
            return await show_once(visit, lambda uow: _shown(uow, create(uow)))
        made = await visit.perform(create)
    except ServiceError as refused:
        return await _new(visit, refused)
    return done(_url(made.service_account), "created")


@ROUTES.get(f"{_ONE}/apis", *_CHANGE)
async def edit_access(visit: Visit) -> Response:
    """Show the form of an account's APIs and scopes."""
    return await _access(visit)


@ROUTES.post(f"{_ONE}/apis", *_CHANGE)
async def change_access(visit: Visit) -> Response:
    """Replace the account's APIs and scopes."""
    client_id = visit.request.path_params["client_id"]
    wanted = _wanted(visit.form.many("scope"))
    try:
        changed = await visit.perform(ChangeServiceAccount(client_id, apis=wanted))
    except ServiceError as refused:
        return await _access(visit, refused)
    return done(_url(changed.service_account), "changed")


@ROUTES.get(f"{_ONE}/rotate-secret", *_CHANGE)
async def ask_rotation(visit: Visit) -> Response:
    """Ask before the secret is rotated."""
    account = await visit.view(GetServiceAccount(visit.request.path_params["client_id"]))
    return await ask(visit, _rotation(account))


@ROUTES.post(f"{_ONE}/rotate-secret", *_CHANGE)
async def rotate_secret(visit: Visit) -> Response:
    """Rotate the secret, and show the new one once."""
    client_id = visit.request.path_params["client_id"]
    overlap = visit.form.seconds("overlap")

    def make(uow: UnitOfWork) -> OneTimeSecret:
        made = RotateAccountSecret(client_id, overlap=overlap)(uow)
        return _shown(uow, CreatedServiceAccount(GetServiceAccount(client_id)(uow), made.client_secret))

    return await show_once(visit, make)


@ROUTES.get(f"{_ONE}/disable", *_CHANGE)
@ROUTES.get(f"{_ONE}/enable", *_CHANGE)
async def ask_disabling(visit: Visit) -> Response:
    """Ask before the account is disabled or enabled."""
    client_id, enabling = visit.request.path_params["client_id"], visit.request.scope["path"].endswith("/enable")

    def read(uow: UnitOfWork) -> tuple[ServiceAccount, int]:
        account = GetServiceAccount(client_id)(uow)
        tokens = tuple(all_items(uow, ListAppTokens(client_id=client_id)))
        return account, sum(token.state(uow.now) in {"live", "replaced"} for token in tokens)

    account, living = await visit.view(read)
    breaks: tuple[str, ...]
    if enabling:
        breaks = (
            "It may authenticate and get tokens again.",
            "Tokens that were revoked when it was disabled stay revoked.",
        )
    else:
        breaks = (
            f"{client_id} is rejected at the token endpoint from now on.",
            f"All its tokens are revoked for good, {living} app tokens among them.",
            "APIs that verify signatures alone accept its tokens until they expire.",
            "It can be enabled again, and then needs new tokens.",
        )
    verb = "enable" if enabling else "disable"
    return await ask(
        visit,
        Confirmation(
            title=f"{verb.capitalize()} {client_id}?",
            crumbs=(_CRUMB, (client_id, _url(account))),
            breaks=breaks,
            label=f"{verb.capitalize()} it",
            back=_url(account),
            command=in_terminal(EnableServiceAccount if enabling else DisableServiceAccount, client_id=client_id),
            danger=not enabling,
            note=None if enabling else ("reason", "Reason"),
        ),
    )


@ROUTES.post(f"{_ONE}/disable", *_CHANGE)
async def disable_account(visit: Visit) -> Response:
    """Disable it."""
    client_id, reason = visit.request.path_params["client_id"], visit.form.one("reason").strip()
    account = await visit.perform(DisableServiceAccount(client_id, reason=reason))
    return done(_url(account), "disabled")


@ROUTES.post(f"{_ONE}/enable", *_CHANGE)
async def enable_account(visit: Visit) -> Response:
    """Enable it."""
    client_id = visit.request.path_params["client_id"]
    return done(_url(await visit.perform(EnableServiceAccount(client_id))), "enabled")


async def _new(visit: Visit, refused: ServiceError | None = None) -> Response:
    def read(uow: UnitOfWork) -> Values:
        return {"apis": _all_apis(uow), "tenants": tenant_choices(uow)}

    grants = visit.form.many("grants") if refused else ("client_credentials",)
    values: Values = {"chosen_grants": grants, "chosen_scopes": visit.form.many("scope")}
    return await show(visit, "service_accounts/new.html", refused=refused, **values, **await visit.view(read))


async def _access(visit: Visit, refused: ServiceError | None = None) -> Response:
    client_id = visit.request.path_params["client_id"]

    def read(uow: UnitOfWork) -> tuple[ServiceAccount, tuple[Api, ...]]:
        return GetServiceAccount(client_id)(uow), _all_apis(uow)

    account, every = await visit.view(read)
    held = tuple(f"{access.audience} {scope}" for access in account.apis for scope in access.scopes)
    chosen = visit.form.many("scope") if refused else held
    values: Values = {"account": account, "apis": every, "chosen_scopes": chosen}
    return await show(visit, "service_accounts/apis.html", refused=refused, **values)


def _wanted(values: tuple[str, ...]) -> tuple[Access, ...]:
    """The ticked API and scope pairs; all of them are default scopes."""
    chosen: dict[str, list[str]] = {}
    for value in values:
        audience, _, scope = value.rpartition(" ")
        chosen.setdefault(audience, []).append(scope)
    return tuple(Access(audience, tuple(scopes)) for audience, scopes in chosen.items())


def _all_apis(uow: UnitOfWork) -> tuple[Api, ...]:
    return tuple(api for api in all_items(uow, ListApis()) if api.enabled)


def _may_change(visit: Visit, account: ServiceAccount) -> bool:
    own = visit.actor.may(Permission.CHANGE_OWN_ACCOUNTS) and account.owner_id == visit.actor.id
    return account.kind == "app" and (own or visit.actor.may(Permission.CHANGE_ACCOUNTS))


def _url(account: ServiceAccount) -> str:
    return f"{_LIST}/{account.client_id}"


def _rotation(account: ServiceAccount) -> Confirmation:
    return Confirmation(
        title=f"Rotate the secret of {account.client_id}?",
        crumbs=(_CRUMB, (account.client_id, _url(account))),
        breaks=(
            "A new secret is created and shown once.",
            "The present one is valid until the end of the overlap; then it is rejected.",
            "Any older one expires now.",
        ),
        label="Rotate it",
        back=_url(account),
        command=in_terminal(RotateAccountSecret, client_id=account.client_id, overlap=DAY),
        danger=False,
        choice=OVERLAP,
    )


def _shown(uow: UnitOfWork, made: CreatedServiceAccount) -> OneTimeSecret:
    account, secret = made.service_account, made.client_secret
    if secret is None:
        raise AssertionError("an account that authenticates by a secret has one")
    issuer = uow.settings.issuer
    return OneTimeSecret(
        title=f"The secret of {account.client_id}",
        label="client_secret",
        secret=secret.value,
        crumbs=(_CRUMB, (account.client_id, _url(account))),
        facts=(("client_id", account.client_id), ("Token endpoint", f"{issuer}/oauth2/token")),
        snippets=snippets.for_service_account(account, secret.value, issuer),
        on=_url(account),
        command=in_terminal(RotateAccountSecret, client_id=account.client_id),
    )
