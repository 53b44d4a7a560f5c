"""What was issued at the token endpoint: families of refresh tokens, and access tokens."""

from starlette.responses import Response

from roomkey.authorization_server.backoffice.forms import Confirmation
from roomkey.authorization_server.backoffice.page import Routes, Values, ask, done, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.commands.paging import Page
from roomkey.authorization_server.errors import NotFound, ServiceError
from roomkey.authorization_server.identity import users
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.tokens import search
from roomkey.authorization_server.unit_of_work import UnitOfWork

_LIST = "/tokens"
_SEE = (Permission.READ_USERS, Permission.REVOKE_TOKENS)
ROUTES = Routes()


@ROUTES.get(_LIST, *_SEE)
async def list_tokens(visit: Visit) -> Response:
    """Families, and the access tokens of an account or a person that count now."""
    query = visit.request.query_params
    filters = {name: query.get(name, "").strip() for name in ("client_id", "username")}

    def read(uow: UnitOfWork) -> Values:
        client_id = filters["client_id"] or None
        user_id = users.get(uow, filters["username"]).id if filters["username"] else None
        return {
            "found": search.find_families(uow, client_id=client_id, user_id=user_id, after=query.get("after")),
            "tokens": search.find_tokens(uow, client_id=client_id, user_id=user_id),
        }

    values: Values = {"filters": filters, "may_revoke": visit.actor.may(Permission.REVOKE_TOKENS)}
    refused: ServiceError | None = None
    try:
        values |= await visit.view(read)
    except NotFound as error:
        refused = error
        values |= {"found": Page[search.TokenFamily]((), None), "tokens": ()}
    return await show(visit, "tokens/list.html", refused=refused, **values)


@ROUTES.get(f"{_LIST}/families/{{family}}/revoke", Permission.REVOKE_TOKENS)
async def ask_revocation(visit: Visit) -> Response:
    """What breaks when a family is revoked."""
    family = await visit.view(lambda uow: search.get_family(uow, visit.request.path_params["family"]))
    person = family.username or "nobody"
    question = Confirmation(
        title=f"Revoke what {family.client_id} holds for {person}?",
        crumbs=(("Tokens", _LIST),),
        breaks=(
            f"{family.client_id} cannot go on for {person}: its refresh tokens are refused, and its access tokens end.",
            f"{person} has to sign in there again.",
        ),
        label="Revoke it",
        back=_LIST,
        command=f"roomkey admin family revoke {family.id}",
    )
    return await ask(visit, question)


@ROUTES.post(f"{_LIST}/families/{{family}}/revoke", Permission.REVOKE_TOKENS)
async def revoke_family(visit: Visit) -> Response:
    """Revoke it."""
    await visit.perform(lambda uow: search.revoke_family(uow, visit.request.path_params["family"]))
    return done(_LIST, "revoked")
