"""``roomkey admin api``: APIs and their scopes."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from roomkey.cli.admin.options import AsJson, Audience, Description, Overlap, Scopes, Tenant
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.help import Command, Group

if TYPE_CHECKING:
    from roomkey.authorization_server.accounts.api import Api, Scope
    from roomkey.secret import Secret

app = typer.Typer(cls=Group, help="APIs: what tokens are for, and which scopes there are.")
Format = Annotated[str | None, typer.Option("--format", metavar="jwt|opaque", help="Of its tokens; jwt by default.")]
Algorithm = Annotated[
    str | None,
    typer.Option(metavar="ES256|RS256|EdDSA|HS256", help="What its tokens are signed with; ES256 by default."),
]
Lifetime = Annotated[str | None, typer.Option(metavar="TIME", help="Of its access tokens, such as 5m.")]
LongestAppToken = Annotated[str | None, typer.Option(metavar="TIME", help="Of its app tokens, such as 90d.")]
NeedsApproval = Annotated[
    bool | None,
    typer.Option("--needs-approval/--no-approval", help="Whether somebody else has to agree to each app token."),
]


@app.command("create", cls=Command, short_help="Make an API, and the account by which it introspects.")
def create(
    context: typer.Context,
    audience: Audience,
    *,
    scopes: Scopes,
    token_lifetime: Lifetime = None,
    longest_app_token: LongestAppToken = None,
    token_format: Format = None,
    algorithm: Algorithm = None,
    needs_approval: NeedsApproval = None,
    tenant: Tenant = None,
    description: Description = None,
    as_json: AsJson = False,
) -> int:
    """Make an API, and an account of its own, which may introspect and nothing else.

    Give its scopes plain sentences by api change --add-scope: people read them when they ask for tokens.
    """
    from roomkey.authorization_server.accounts import apis, tenants
    from roomkey.authorization_server.accounts.api import Scope
    from roomkey.authorization_server.plain import plain
    from roomkey.authorization_server.unit_of_work import UnitOfWork
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.printing import print_done, print_json

    def act(uow: UnitOfWork) -> apis.NewApi:
        if tenant is not None:
            tenants.ensure(uow, tenant)
        return apis.create(
            uow,
            audience=audience,
            scopes=[Scope(word) for word in scopes.split()],
            description=description or "",
            tenant=tenant,
            token_lifetime=_seconds(token_lifetime, "--token-lifetime"),
            longest_app_token=_seconds(longest_app_token, "--longest-app-token"),
            token_format=token_format or "jwt",
            algorithm=algorithm or "ES256",
            needs_approval=bool(needs_approval),
        )

    made = done(context, act)
    secrets = {"client_secret": made.client_secret.value} | _shared(made.shared_secret)
    if as_json:
        print_json(**plain(made.api) | secrets)
    else:
        print_done(
            f"The API {audience} is there; it introspects by the account {made.api.client_id}.",
            ("audience", made.api.audience),
            ("scopes", " ".join(made.api.scope_names)),
            ("client_id", made.api.client_id),
            secrets=secrets,
        )
    return ExitCode.OK


@app.command("list", cls=Command, short_help="List the APIs.")
def list_apis(context: typer.Context, *, as_json: AsJson = False) -> int:
    """List the APIs: their scopes, how long their tokens live, who has to agree."""
    from roomkey.authorization_server.accounts import apis
    from roomkey.cli.admin.context import all_pages, seen
    from roomkey.cli.admin.printing import mark, print_json, print_list
    from roomkey.cli.time_words import coarse

    found = seen(context, lambda uow: all_pages(lambda after, limit: apis.find(uow, after=after, limit=limit)))
    if as_json:
        print_json(apis=found)
        return ExitCode.OK
    print_list(
        (
            {
                "audience": api.audience,
                "scopes": " ".join(api.scope_names),
                "tokens": f"{api.token_format} {api.algorithm}, {coarse(api.token_lifetime)}",
                "app tokens": f"up to {coarse(api.longest_app_token)}" + (", approved" if api.needs_approval else ""),
                "tenant": api.tenant or "",
                "": mark(api.disabled_at),
            }
            for api in found
        ),
        *("audience", "scopes", "tokens", "app tokens", "tenant", ""),
        folded="scopes",
        spared=("tokens", "app tokens", "tenant"),
        empty="There are no APIs yet: roomkey admin api create NAME --scopes …",
    )
    return ExitCode.OK


@app.command("show", cls=Command, short_help="Show one API.")
def show(context: typer.Context, audience: Audience, *, as_json: AsJson = False) -> int:
    """Show one API with the sentences of its scopes."""
    from roomkey.authorization_server.accounts import apis
    from roomkey.cli.admin.context import seen

    _print(seen(context, lambda uow: apis.get(uow, audience)), as_json=as_json)
    return ExitCode.OK


@app.command("change", cls=Command, short_help="Change an API.")
def change(
    context: typer.Context,
    audience: Audience,
    *,
    add_scope: Annotated[
        list[str] | None, typer.Option(metavar='"SCOPE=SENTENCE"', help="A new scope, or a new sentence for one.")
    ] = None,
    remove_scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="Take a scope away; app tokens that hold it end.")
    ] = None,
    token_lifetime: Lifetime = None,
    longest_app_token: LongestAppToken = None,
    token_format: Format = None,
    algorithm: Algorithm = None,
    needs_approval: NeedsApproval = None,
    description: Description = None,
    as_json: AsJson = False,
) -> int:
    """Change what is named and leave the rest; tokens that exist stay as they are."""
    from roomkey.authorization_server.accounts import apis
    from roomkey.authorization_server.plain import plain
    from roomkey.authorization_server.unit_of_work import UnitOfWork
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.printing import print_done, print_json

    settings: dict[str, Any] = {
        "description": description,
        "token_lifetime": _seconds(token_lifetime, "--token-lifetime"),
        "longest_app_token": _seconds(longest_app_token, "--longest-app-token"),
        "token_format": token_format,
        "algorithm": algorithm,
        "needs_approval": needs_approval,
    }

    def act(uow: UnitOfWork) -> apis.ChangedApi:
        if add_scope:
            apis.add_scopes(uow, audience, [_scope(one) for one in add_scope])
        ended = apis.remove_scopes(uow, audience, remove_scope).ended_app_tokens if remove_scope else 0
        if any(value is not None for value in settings.values()):
            changed = apis.change(uow, audience, **settings)
            return apis.ChangedApi(changed.api, ended, changed.shared_secret)
        return apis.ChangedApi(apis.get(uow, audience), ended)

    changed = done(context, act)
    secrets = _shared(changed.shared_secret)
    if as_json:
        print_json(**plain(changed.api) | {"ended_app_tokens": changed.ended_app_tokens} | secrets)
    else:
        ended = f" {changed.ended_app_tokens} app tokens have ended." if changed.ended_app_tokens else ""
        scopes = " ".join(changed.api.scope_names)
        print_done(f"The API {audience} was changed.{ended}", ("scopes", scopes), secrets=secrets)
    return ExitCode.OK


@app.command("rotate-secret", cls=Command, short_help="Make a new secret for an API's own account.")
def rotate_secret(
    context: typer.Context, audience: Audience, *, overlap: Overlap = "0s", as_json: AsJson = False
) -> int:
    """Make a new secret for the account by which an API introspects."""
    from roomkey.authorization_server.accounts import apis
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.secrets import print_new_secret
    from roomkey.cli.admin.time_span import seconds

    span = seconds(overlap, "--overlap")
    print_new_secret(done(context, lambda uow: apis.rotate_secret(uow, audience, overlap=span)), as_json=as_json)
    return ExitCode.OK


@app.command("rotate-shared-secret", cls=Command, short_help="Make a new secret to verify HS256 with.")
def rotate_shared_secret(context: typer.Context, audience: Audience, *, as_json: AsJson = False) -> int:
    """Make a new secret for an API whose tokens are signed by HS256; its tokens of before are refused from then on."""
    from roomkey.authorization_server.keys.signer import new_shared_secret
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.printing import print_done, print_json

    made = done(context, lambda uow: new_shared_secret(uow, audience)).reveal()
    if as_json:
        print_json(audience=audience, shared_secret=made)
    else:
        print_done(f"The API {audience} has a new secret for HS256.", secrets={"shared_secret": made})
    return ExitCode.OK


@app.command("disable", cls=Command, short_help="Issue no more tokens for an API.")
def disable(context: typer.Context, audience: Audience, *, as_json: AsJson = False) -> int:
    """Issue no more tokens for an API, and let it introspect none, until it is enabled."""
    from roomkey.authorization_server.accounts import apis
    from roomkey.cli.admin.context import done

    _print(done(context, lambda uow: apis.disable(uow, audience)), as_json=as_json)
    return ExitCode.OK


@app.command("enable", cls=Command, short_help="Issue tokens for an API again.")
def enable(context: typer.Context, audience: Audience, *, as_json: AsJson = False) -> int:
    """Issue tokens for a disabled API again."""
    from roomkey.authorization_server.accounts import apis
    from roomkey.cli.admin.context import done

    _print(done(context, lambda uow: apis.enable(uow, audience)), as_json=as_json)
    return ExitCode.OK


def _print(api: "Api", *, as_json: bool) -> None:
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.printing import print_facts, print_json, when
    from roomkey.cli.time_words import duration

    if as_json:
        print_json(**plain(api))
        return
    print_facts(
        ("audience", api.audience),
        ("description", api.description),
        ("scopes", "\n".join(f"{scope.name}  {scope.description}".strip() for scope in api.scopes)),
        ("tokens", f"{api.token_format}, signed by {api.algorithm}, {duration(api.token_lifetime)}"),
        ("app tokens", f"up to {duration(api.longest_app_token)}"),
        ("approval", "needed for each app token" if api.needs_approval else "not needed"),
        ("client_id", api.client_id),
        ("tenant", api.tenant or ""),
        ("created", when(api.created_at)),
        ("disabled", when(api.disabled_at)),
    )


def _scope(text: str) -> "Scope":
    from roomkey.authorization_server.accounts.api import Scope

    name, _, sentence = text.partition("=")
    return Scope(name, sentence)


def _seconds(text: str | None, option: str) -> int | None:
    from roomkey.cli.admin.time_span import seconds

    return None if text is None else seconds(text, option)


def _shared(secret: "Secret | None") -> dict[str, str]:
    return {} if secret is None else {"shared_secret": secret.reveal()}
