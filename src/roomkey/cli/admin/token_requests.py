"""``roomkey admin token-request``: the app tokens that users asked for, and the answer to it."""

from roomkey.authorization_server.accounts.token_requests.commands import (
    ApproveTokenRequest,
    AppTokenRequest,
    GetTokenRequest,
    ListTokenRequests,
    RefuseTokenRequest,
)
from roomkey.cli.admin.printing import day, print_done, print_facts, print_list, when
from roomkey.cli.admin.typer_command import Noun
from roomkey.cli.time_words import duration

noun = Noun("token-request", "Requests for app tokens, which users make in the backoffice.")


@noun.shows(ListTokenRequests)
def show_list(requests: tuple[AppTokenRequest, ...]) -> None:
    """Print the table."""
    print_list(
        (
            {
                "id": one.id,
                "account": one.client_id,
                "api": one.audience,
                "scopes": " ".join(one.scopes),
                "asked": day(one.requested_at),
                "": one.state,
            }
            for one in requests
        ),
        *("id", "account", "api", "scopes", "asked", ""),
        folded="scopes",
        spared=("api", "asked"),
        empty="Nobody has asked for a token.",
    )


@noun.shows(GetTokenRequest)
def show_one(request: AppTokenRequest) -> None:
    """Print the facts of a request."""
    print_facts(
        ("id", request.id),
        ("account", request.client_id),
        ("API", request.audience),
        ("scopes", " ".join(request.scopes)),
        ("lifetime", duration(request.lifetime)),
        ("note", request.note),
        ("state", request.state),
        ("asked", f"{when(request.requested_at)}, by {request.requested_by}"),
        ("answer", request.answer),
    )


@noun.shows(ApproveTokenRequest)
@noun.shows(RefuseTokenRequest)
def show_decided(request: AppTokenRequest) -> None:
    """Say what became of it."""
    print_done(f"The request {request.id} is {request.state}.")
