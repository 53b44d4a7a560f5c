"""Tokens of the token endpoint: refresh token families and valid access tokens, and the revocation of a family."""

from starlette.responses import Response

from roomkey.authorization_server.backoffice.forms import Confirmation
from roomkey.authorization_server.backoffice.page import Routes, Values, ask, done, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.commands.form import command_of
from roomkey.authorization_server.commands.paging import Page
from roomkey.authorization_server.commands.terminal import in_terminal
from roomkey.authorization_server.errors import NotFound, ServiceError
from roomkey.authorization_server.identity import users
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.tokens import search
from roomkey.authorization_server.tokens.commands import GetFamily, ListFamilies, RevokeFamily
from roomkey.authorization_server.unit_of_work import UnitOfWork

_LIST = "/tokens"
_REVOKE = f"{_LIST}/families/{{family}}/revoke"
ROUTES = Routes()


@ROUTES.get(_LIST, Permission.READ_USERS, Permission.REVOKE_TOKENS)
async def list_tokens(visit: Visit) -> Response:
    """Show families, and the valid access tokens of a service account or a user."""
    query = visit.request.query_params
    client_id, username = (query.get(name, "").strip() for name in ("client_id", "username"))

    def read(uow: UnitOfWork) -> Values:
        user_id = users.get(uow, username).id if username else None
        return {
            "found": ListFamilies(account=client_id, user=username, after=query.get("after"))(uow),
            "tokens": search.find_tokens(uow, client_id=client_id or None, user_id=user_id),
        }

    values: Values = {
        "filters": {"client_id": client_id, "username": username},
        "may_revoke": visit.actor.may(Permission.REVOKE_TOKENS),
    }
    refused: ServiceError | None = None
    try:
        values |= await visit.view(read)
    except NotFound as error:
        refused = error
        values |= {"found": Page[search.TokenFamily]((), None), "tokens": ()}
    return await show(visit, "tokens/list.html", refused=refused, **values)


@ROUTES.get(_REVOKE, Permission.REVOKE_TOKENS)
async def ask_revocation(visit: Visit) -> Response:
    """Ask before a family is revoked."""
    family = await visit.view(GetFamily(visit.request.path_params["family"]))
    user = family.username or "no user"
    question = Confirmation(
        title=f"Revoke the refresh tokens of {family.client_id} for {user}?",
        crumbs=(("Tokens", _LIST),),
        breaks=(
            f"The refresh tokens of {family.client_id} for {user} are rejected, and its access tokens are revoked.",
            f"{user} has to sign in at {family.client_id} again.",
        ),
        label="Revoke it",
        back=_LIST,
        command=in_terminal(RevokeFamily, family=family.id),
        note=("reason", "Reason"),
    )
    return await ask(visit, question)


@ROUTES.post(_REVOKE, Permission.REVOKE_TOKENS)
async def revoke_family(visit: Visit) -> Response:
    """Revoke it."""
    await visit.perform(command_of(RevokeFamily, visit.form, "reason", family=visit.request.path_params["family"]))
    return done(_LIST, "revoked")
