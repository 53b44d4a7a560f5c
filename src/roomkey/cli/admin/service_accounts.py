"""``roomkey admin service-account``: apps that get tokens, and their secrets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roomkey.cli.admin.options import AsJson, ClientId, Description, Overlap, Tenant
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.help import Command, Group

if TYPE_CHECKING:
    from roomkey.authorization_server.accounts.access import Access
    from roomkey.authorization_server.accounts.service_account import ServiceAccount
    from roomkey.authorization_server.unit_of_work import UnitOfWork

app = typer.Typer(cls=Group, help="Service accounts: the apps that get tokens.")
_WAYS = "client_secret_basic, client_secret_post, private_key_jwt or none"
Apis = Annotated[str | None, typer.Option(metavar="A,B", help="The APIs that it may use.")]
Scopes = Annotated[str | None, typer.Option(metavar='"A B"', help="What it may ask for there.")]
DefaultScopes = Annotated[str | None, typer.Option(metavar='"A B"', help="What it gets where it asks for nothing.")]
Grants = Annotated[
    str | None, typer.Option(metavar="A,B", help="client_credentials, refresh_token, password, authorization_code.")
]
Authentication = Annotated[str | None, typer.Option(metavar="METHOD", help=f"How it proves itself: {_WAYS}.")]
Jwks = Annotated[Path | None, typer.Option(metavar="FILE", help="Its public keys, for private_key_jwt.")]
RedirectUri = Annotated[list[str] | None, typer.Option(metavar="URL", help="Where its authorization codes may go.")]
Native = Annotated[bool | None, typer.Option("--native/--no-native", help="A program on a person's machine.")]
Roles = Annotated[str | None, typer.Option(metavar="A,B", help="The roles in its tokens.")]
Owner = Annotated[str | None, typer.Option(metavar="USER", help="Who looks after it.")]
AllowsPassword = Annotated[
    bool | None,
    typer.Option(
        "--allows-password-with-mfa/--no-password-with-mfa",
        help="Whether its password grant takes users who have a second factor.",
    ),
]


@app.command("create", cls=Command, short_help="Make a service account.")
def create(
    context: typer.Context,
    name: ClientId,
    *,
    apis: Apis = None,
    scopes: Scopes = None,
    default_scopes: DefaultScopes = None,
    tenant: Tenant = None,
    grants: Grants = None,
    authentication: Authentication = None,
    jwks: Jwks = None,
    redirect_uri: RedirectUri = None,
    native: Native = None,
    roles: Roles = None,
    owner: Owner = None,
    allows_password_with_mfa: AllowsPassword = None,
    description: Description = None,
    as_json: AsJson = False,
) -> int:
    """Make a service account; its secret is shown once."""
    from roomkey.authorization_server.accounts import service_accounts, tenants
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.printing import print_done, print_json

    settings = _settings(
        grants, authentication, jwks, redirect_uri, native, roles, allows_password_with_mfa, description
    )

    def act(uow: "UnitOfWork") -> service_accounts.NewAccount:
        if tenant is not None:
            tenants.ensure(uow, tenant)
        access = _access(uow, apis, scopes, default_scopes)
        return service_accounts.create(
            uow, client_id=name, apis=access, tenant=tenant, owner_id=_owner(uow, owner), **settings
        )

    made = done(context, act)
    secrets = {} if made.client_secret is None else {"client_secret": made.client_secret.value}
    if as_json:
        print_json(**plain(made.account) | secrets)
    else:
        print_done(
            f"The service account {name} is there.",
            ("client_id", name),
            *((one.audience, " ".join(one.scopes)) for one in made.account.apis),
            ("keys", " ".join(made.account.key_ids)),
            secrets=secrets,
        )
    return ExitCode.OK


@app.command("list", cls=Command, short_help="List the service accounts.")
def list_accounts(
    context: typer.Context,
    *,
    tenant: Tenant = None,
    api: Annotated[str | None, typer.Option(metavar="AUDIENCE", help="Those that may use this API.")] = None,
    as_json: AsJson = False,
) -> int:
    """List the service accounts and what they may ask for."""
    from roomkey.authorization_server.accounts import service_accounts
    from roomkey.cli.admin.context import all_pages, seen
    from roomkey.cli.admin.printing import mark, print_json, print_list

    which: dict[str, Any] = {"tenant": tenant, "audience": api}
    found = seen(
        context,
        lambda uow: all_pages(lambda after, limit: service_accounts.find(uow, after=after, limit=limit, **which)),
    )
    if as_json:
        print_json(service_accounts=found)
        return ExitCode.OK
    print_list(
        (
            {
                "account": account.client_id,
                "may ask for": "; ".join(f"{one.audience}: {' '.join(one.scopes)}" for one in account.apis),
                "grants": " ".join(account.grants),
                "tenant": account.tenant or "",
                "": mark(account.disabled_at),
            }
            for account in found
        ),
        *("account", "may ask for", "grants", "tenant", ""),
        folded="may ask for",
        spared=("grants", "tenant"),
        empty="There are no service accounts: roomkey admin service-account create NAME --apis … --scopes …",
    )
    return ExitCode.OK


@app.command("show", cls=Command, short_help="Show one service account and its secrets' hints.")
def show(context: typer.Context, name: ClientId, *, as_json: AsJson = False) -> int:
    """Show one service account; of its secrets the beginning, the end, and when they were used."""
    from roomkey.authorization_server.accounts import account_secrets, service_accounts
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import seen
    from roomkey.cli.admin.printing import print_json, print_list, when

    account, secrets = seen(context, lambda uow: (service_accounts.get(uow, name), account_secrets.find(uow, name)))
    if as_json:
        print_json(**plain(account) | {"secrets": plain(secrets)})
        return ExitCode.OK
    _print(account)
    print_list(
        (
            {
                "secret": one.hint,
                "created": when(one.created_at),
                "last used": when(one.last_used_at) or "never",
                "ends": when(one.expires_at),
            }
            for one in secrets
        ),
        *("secret", "created", "last used", "ends"),
        folded="last used",
        spared=("created",),
        empty="It has no secret.",
    )
    return ExitCode.OK


@app.command("change", cls=Command, short_help="Change a service account.")
def change(
    context: typer.Context,
    name: ClientId,
    *,
    apis: Apis = None,
    scopes: Scopes = None,
    default_scopes: DefaultScopes = None,
    grants: Grants = None,
    authentication: Authentication = None,
    jwks: Jwks = None,
    redirect_uri: RedirectUri = None,
    native: Native = None,
    roles: Roles = None,
    owner: Owner = None,
    allows_password_with_mfa: AllowsPassword = None,
    description: Description = None,
    as_json: AsJson = False,
) -> int:
    """Change what is named and leave the rest.

    --apis and --scopes name all that the account may ask for from now on; app tokens that hold more end.
    """
    from roomkey.authorization_server.accounts import service_accounts
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.printing import print_done, print_json

    settings = _settings(
        grants, authentication, jwks, redirect_uri, native, roles, allows_password_with_mfa, description
    )

    def act(uow: "UnitOfWork") -> service_accounts.ChangedAccount:
        named = any(one is not None for one in (apis, scopes, default_scopes))
        access = _access(uow, apis, scopes, default_scopes) if named else None
        owner_id = owner if owner == "" else _owner(uow, owner)
        return service_accounts.change(uow, name, apis=access, owner_id=owner_id, **settings)

    changed = done(context, act)
    if as_json:
        print_json(**plain(changed.account) | {"ended_app_tokens": changed.ended_app_tokens})
    else:
        ended = f" {changed.ended_app_tokens} app tokens have ended." if changed.ended_app_tokens else ""
        print_done(f"The service account {name} was changed.{ended}")
    return ExitCode.OK


@app.command("rotate-secret", cls=Command, short_help="Make a new secret for a service account.")
def rotate_secret(context: typer.Context, name: ClientId, *, overlap: Overlap = "0s", as_json: AsJson = False) -> int:
    """Make a new secret; without an overlap the old one ends at once."""
    from roomkey.authorization_server.accounts import account_secrets
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.secrets import print_new_secret
    from roomkey.cli.admin.time_span import seconds

    span = seconds(overlap, "--overlap")
    print_new_secret(done(context, lambda uow: account_secrets.rotate(uow, name, overlap=span)), as_json=as_json)
    return ExitCode.OK


@app.command("disable", cls=Command, short_help="End all tokens of a service account, and issue no others.")
def disable(context: typer.Context, name: ClientId, *, as_json: AsJson = False) -> int:
    """End all tokens of a service account for good, and issue no others until it is enabled."""
    from roomkey.authorization_server.accounts import service_accounts
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.printing import print_done, print_json

    account = done(context, lambda uow: service_accounts.disable(uow, name))
    if as_json:
        print_json(**plain(account))
    else:
        print_done(f"The service account {name} is disabled, and its tokens have ended.")
    return ExitCode.OK


@app.command("enable", cls=Command, short_help="Let a service account be used again.")
def enable(context: typer.Context, name: ClientId, *, as_json: AsJson = False) -> int:
    """Let a disabled service account be used again; tokens that have ended stay so."""
    from roomkey.authorization_server.accounts import service_accounts
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.printing import print_done, print_json

    account = done(context, lambda uow: service_accounts.enable(uow, name))
    if as_json:
        print_json(**plain(account))
    else:
        print_done(f"The service account {name} is enabled.")
    return ExitCode.OK


def _print(account: "ServiceAccount") -> None:
    from roomkey.cli.admin.printing import print_facts, when

    print_facts(
        ("client_id", account.client_id),
        ("description", account.description),
        ("may ask for", "\n".join(f"{one.audience}: {' '.join(one.scopes)}" for one in account.apis) or "nothing"),
        ("grants", " ".join(account.grants)),
        ("proves itself", account.authentication),
        ("keys", " ".join(account.key_ids)),
        ("redirect URIs", "\n".join(account.redirect_uris)),
        ("roles", " ".join(account.roles)),
        ("tenant", account.tenant or ""),
        ("owner", account.owner_id or ""),
        ("created", when(account.created_at)),
        ("disabled", when(account.disabled_at)),
    )


def _settings(
    grants: str | None,
    authentication: str | None,
    jwks: Path | None,
    redirect_uris: list[str] | None,
    native: bool | None,  # noqa: FBT001 - as it is typed
    roles: str | None,
    allows_password_with_mfa: bool | None,  # noqa: FBT001
    description: str | None,
) -> dict[str, Any]:
    """What was named, as the acts take it."""
    given = {
        "grants": None if grants is None else _names(grants),
        "authentication": authentication,
        "jwks": None if jwks is None else _file(jwks),
        "redirect_uris": redirect_uris,
        "native": native,
        "roles": None if roles is None else _names(roles),
        "allows_password_with_mfa": allows_password_with_mfa,
        "description": description,
    }
    return {name: value for name, value in given.items() if value is not None}


def _access(uow: "UnitOfWork", apis: str | None, scopes: str | None, default_scopes: str | None) -> "list[Access]":
    """Each scope goes to those of the named APIs that have it."""
    from roomkey.authorization_server.accounts.access import Access
    from roomkey.authorization_server.accounts.api import visible_api
    from roomkey.authorization_server.errors import Invalid

    asked, defaults = (scopes or "").split(), (default_scopes or "").split()
    named = [visible_api(uow, audience) for audience in _names(apis or "")]
    known = {scope for api in named for scope in api.scope_names}
    for scope in (*asked, *defaults):
        if scope not in known:
            raise Invalid(f'None of the named APIs has a scope "{scope}".', field="scopes")
    return [
        Access(
            api.audience,
            tuple(scope for scope in asked if scope in api.scope_names),
            tuple(scope for scope in defaults if scope in api.scope_names),
        )
        for api in named
    ]


def _owner(uow: "UnitOfWork", owner: str | None) -> str | None:
    from roomkey.authorization_server.identity import users

    return None if owner is None else users.get(uow, owner).id


def _names(text: str) -> list[str]:
    return [name for name in text.replace(",", " ").split() if name]


def _file(path: Path) -> str:
    from roomkey.errors import ConfigurationError

    try:
        with path.open("rb") as file:
            return file.read(65_536).decode()
    except OSError as error:
        problem = f"The file {path} cannot be read: {error.strerror}."
    except UnicodeDecodeError:
        problem = f"The file {path} is not text."
    raise ConfigurationError(problem)
