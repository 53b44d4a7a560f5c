"""``roomkey admin service-account``: applications that get tokens, and their secrets."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from roomkey.authorization_server.accounts.access import Access, access_of
from roomkey.authorization_server.accounts.apis.model import visible_api
from roomkey.authorization_server.accounts.service_accounts.commands import (
    AccountSecrets,
    ChangedServiceAccount,
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
from roomkey.authorization_server.accounts.service_accounts.model import ServiceAccount
from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.cli.admin.printing import mark, print_done, print_facts, print_list, print_new_secret, revoked_tokens, when
from roomkey.cli.admin.typer_command import Extra, Given, Noun

noun = Noun("service-account", "Service accounts: the apps that get tokens.")
noun.shows(RotateAccountSecret)(print_new_secret)


def _access(uow: UnitOfWork, given: Given) -> Mapping[str, Any]:
    """The access that is named: each scope belongs to those of the APIs that have it.

    Without ``--apis`` a change is about the APIs that the account has.
    """
    apis, scopes, defaults = (given[name] for name in ("apis", "scopes", "default_scopes"))
    if apis is None and scopes is None and defaults is None:
        return {}
    if apis is None:
        held = access_of(uow, [given["client_id"]])[given["client_id"]]
        if not held:
            raise Invalid("Name the APIs that the scopes belong to: --apis A,B.", field="apis")
        named = [visible_api(uow, one.audience) for one in held]
        scopes = scopes if scopes is not None else " ".join(scope for one in held for scope in one.scopes)
    else:
        named = [visible_api(uow, audience) for audience in apis.replace(",", " ").split()]
    known = {scope for api in named for scope in api.scope_names}
    for scope in f"{scopes or ''} {defaults or ''}".split():
        if scope not in known:
            raise Invalid(f'None of the named APIs has a scope "{scope}".', field="scopes")

    def of(api: Any, words: str) -> tuple[str, ...]:
        return tuple(scope for scope in words.split() if scope in api.scope_names)

    return {
        "apis": [
            Access(api.audience, of(api, scopes or ""), None if defaults is None else of(api, defaults))
            for api in named
        ]
    }


_ACCESS = Extra(
    options={
        "apis": (Annotated[str | None, typer.Option(metavar="A,B", help="The APIs that it may use.")], None),
        "scopes": (Annotated[str | None, typer.Option(metavar='"A B"', help="What it may ask for there.")], None),
        "default_scopes": (
            Annotated[
                str | None,
                typer.Option(metavar='"A B"', help="What it gets where it asks for nothing; by default all of them."),
            ],
            None,
        ),
    },
    read=_access,
)


@noun.shows(CreateServiceAccount, _ACCESS)
def show_created(made: CreatedServiceAccount) -> None:
    """Print the secret, once."""
    account = made.service_account
    print_done(
        f"The service account {account.client_id} is there.",
        ("client_id", account.client_id),
        *((one.audience, " ".join(one.scopes)) for one in account.apis),
        ("keys", " ".join(account.key_ids)),
        secrets={} if made.client_secret is None else {"client_secret": made.client_secret.value},
    )


@noun.shows(ListServiceAccounts)
def show_list(accounts: tuple[ServiceAccount, ...]) -> None:
    """Print the table."""
    print_list(
        (
            {
                "account": account.client_id,
                "may ask for": "; ".join(f"{one.audience}: {' '.join(one.scopes)}" for one in account.apis),
                "grants": " ".join(account.grants),
                "tenant": account.tenant or "",
                "": mark(account.disabled_at),
            }
            for account in accounts
        ),
        *("account", "may ask for", "grants", "tenant", ""),
        folded="may ask for",
        spared=("grants", "tenant"),
        empty="There are no service accounts: roomkey admin service-account create NAME --apis … --scopes …",
    )


@noun.shows(GetServiceAccount, Extra(also={"secrets": ListAccountSecrets}))
def show_one(account: ServiceAccount, secrets: AccountSecrets) -> None:
    """Print the facts of an account, and of its secrets the beginning, the end, and when they were used."""
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
    print_list(
        (
            {
                "secret": one.hint,
                "created": when(one.created_at),
                "last used": when(one.last_used_at) or "never",
                "ends": when(one.expires_at),
            }
            for one in secrets.items
        ),
        *("secret", "created", "last used", "ends"),
        folded="last used",
        spared=("created",),
        empty="It has no secret.",
    )


@noun.shows(ChangeServiceAccount, _ACCESS)
def show_changed(changed: ChangedServiceAccount) -> None:
    """Say what was changed."""
    name = changed.service_account.client_id
    print_done(f"The service account {name} was changed.{revoked_tokens(changed.ended_app_tokens)}")


@noun.shows(DisableServiceAccount)
def show_disabled(account: ServiceAccount) -> None:
    """Say that it is disabled."""
    print_done(f"The service account {account.client_id} is disabled, and its tokens are revoked.")


@noun.shows(EnableServiceAccount)
def show_enabled(account: ServiceAccount) -> None:
    """Say that it is enabled."""
    print_done(f"The service account {account.client_id} is enabled.")
