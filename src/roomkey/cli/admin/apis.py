"""``roomkey admin api``: APIs and their scopes."""

from roomkey.authorization_server.accounts.apis.commands import (
    ChangeApi,
    ChangedApi,
    CreateApi,
    CreatedApi,
    DisableApi,
    EnableApi,
    GetApi,
    ListApis,
    RotateApiSecret,
    RotateSharedSecret,
    SharedSecret,
)
from roomkey.authorization_server.accounts.apis.model import Api
from roomkey.cli.admin.printing import mark, print_done, print_facts, print_list, print_new_secret, revoked_tokens, when
from roomkey.cli.admin.typer_command import Noun
from roomkey.cli.time_words import coarse, duration
from roomkey.secret import Secret

noun = Noun("api", "APIs: what tokens are for, and which scopes there are.")
noun.shows(RotateApiSecret)(print_new_secret)


@noun.shows(CreateApi)
def show_created(made: CreatedApi) -> None:
    """Print the secrets, once."""
    api = made.api
    print_done(
        f"The API {api.audience} is there; it introspects by the account {api.client_id}.",
        ("audience", api.audience),
        ("scopes", " ".join(api.scope_names)),
        ("client_id", api.client_id),
        secrets={"client_secret": made.client_secret.value} | _shared(made.shared_secret),
    )


@noun.shows(ListApis)
def show_list(apis: tuple[Api, ...]) -> None:
    """Print the table."""
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
            for api in apis
        ),
        *("audience", "scopes", "tokens", "app tokens", "tenant", ""),
        folded="scopes",
        spared=("tokens", "app tokens", "tenant"),
        empty="There are no APIs yet: roomkey admin api create NAME --scopes …",
    )


@noun.shows(GetApi)
@noun.shows(DisableApi)
@noun.shows(EnableApi)
def show_one(api: Api) -> None:
    """Print the facts of an API."""
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


@noun.shows(ChangeApi)
def show_changed(changed: ChangedApi) -> None:
    """Say what was changed."""
    api = changed.api
    print_done(
        f"The API {api.audience} was changed.{revoked_tokens(changed.ended_app_tokens)}",
        ("scopes", " ".join(api.scope_names)),
        secrets=_shared(changed.shared_secret),
    )


@noun.shows(RotateSharedSecret)
def show_shared_secret(made: SharedSecret) -> None:
    """Print the secret, once."""
    print_done(f"The API {made.audience} has a new secret for HS256.", secrets=_shared(made.shared_secret))


def _shared(secret: Secret | None) -> dict[str, str]:
    return {} if secret is None else {"shared_secret": secret.reveal()}
