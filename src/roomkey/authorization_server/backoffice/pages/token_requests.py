"""Requests for app tokens: made in two steps, decided by another user, collected once."""

from starlette.responses import Response

from roomkey.authorization_server.accounts.apis.commands import GetApi, ListApis
from roomkey.authorization_server.accounts.apis.model import Api
from roomkey.authorization_server.accounts.app_tokens.model import presets
from roomkey.authorization_server.accounts.service_accounts.commands import GetServiceAccount, ListServiceAccounts
from roomkey.authorization_server.accounts.service_accounts.model import ServiceAccount
from roomkey.authorization_server.accounts.token_requests.commands import (
    ApproveTokenRequest,
    CollectAppToken,
    GetTokenRequest,
    ListTokenRequests,
    RefuseTokenRequest,
    RequestAppToken,
    WithdrawTokenRequest,
)
from roomkey.authorization_server.backoffice.lookups import usernames
from roomkey.authorization_server.backoffice.page import Routes, Values, done, show
from roomkey.authorization_server.backoffice.pages.app_tokens import shown_token
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.backoffice.shown_once import OneTimeSecret, show_once
from roomkey.authorization_server.backoffice.time_words import duration
from roomkey.authorization_server.commands.form import command_of
from roomkey.authorization_server.commands.paging import all_items
from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork

_LIST = "/token-requests"
_FIELDS = ("scopes", "lifetime", "token_format", "note")
_OUTCOMES = {
    "approved": ("wait", "approved, not collected"),
    "collected": ("ok", "collected"),
    "refused": ("bad", "denied"),
    "withdrawn": ("", "withdrawn"),
}
_EITHER = (Permission.REQUEST_TOKENS, Permission.APPROVE_TOKENS, Permission.READ_AUDIT)
_ONE = f"{_LIST}/{{token_request}}"
ROUTES = Routes()


@ROUTES.get(_LIST, *_EITHER)
async def list_requests(visit: Visit) -> Response:
    """Show open and completed requests."""
    after = visit.request.query_params.get("after")

    def read(uow: UnitOfWork) -> Values:
        pending = ListTokenRequests(state="pending", limit=100)(uow).items
        ready = ListTokenRequests(state="approved", own=True, limit=100)(uow).items
        found = ListTokenRequests(after=after)(uow)
        open_ = [*(one for one in ready if one.collectable(uow.now)), *pending]
        shown = {one.id for one in open_}
        past = [one for one in found.items if one.id not in shown and one.state != "pending"]
        ids = [person for one in (*open_, *past) for person in (one.requested_by, one.decided_by)]
        return {"open": open_, "past": past, "after": found.after, "names": usernames(uow, ids)}

    return await show(visit, "token_requests/list.html", outcomes=_OUTCOMES, **await visit.view(read))


@ROUTES.get(f"{_LIST}/~new", Permission.REQUEST_TOKENS)
async def new_request(visit: Visit) -> Response:
    """Show the form: first account and API, then scopes and lifetime."""
    return await _new(visit)


@ROUTES.post(f"{_LIST}/~new", Permission.REQUEST_TOKENS)
async def make_request(visit: Visit) -> Response:
    """Request the token; without approval it is created and shown at once."""
    client_id, _, audience = visit.request.query_params.get("for", "").partition(" ")

    try:
        request = command_of(RequestAppToken, visit.form, *_FIELDS, client_id=client_id, audience=audience)
        made = await visit.perform(request)
    except ServiceError as refused:
        return await _new(visit, refused)
    if made.state == "approved":
        return await show_once(visit, lambda uow: shown_token(uow, CollectAppToken(made.id)(uow)))
    return done(_LIST, "asked")


@ROUTES.get(_ONE, Permission.APPROVE_TOKENS)
async def one_request(visit: Visit) -> Response:
    """Show a pending request."""
    return await _one(visit)


@ROUTES.post(_ONE, Permission.APPROVE_TOKENS)
async def answer_request(visit: Visit) -> Response:
    """Approve or deny it."""
    kind: type[ApproveTokenRequest | RefuseTokenRequest]
    kind = ApproveTokenRequest if visit.form.one("decision") == "approve" else RefuseTokenRequest
    try:
        decide = command_of(kind, visit.form, "answer", id=visit.request.path_params["token_request"])
        answered = await visit.perform(decide)
    except ServiceError as refused:
        return await _one(visit, refused)
    return done(_LIST, answered.state)


@ROUTES.post(f"{_ONE}/collect", Permission.REQUEST_TOKENS)
async def collect(visit: Visit) -> Response:
    """Create the approved token, and show it once."""

    def make(uow: UnitOfWork) -> OneTimeSecret:
        return shown_token(uow, CollectAppToken(visit.request.path_params["token_request"])(uow))

    return await show_once(visit, make)


@ROUTES.post(f"{_ONE}/withdraw", Permission.REQUEST_TOKENS)
async def withdraw(visit: Visit) -> Response:
    """Withdraw the user's own request."""
    await visit.perform(WithdrawTokenRequest(visit.request.path_params["token_request"]))
    return done(_LIST, "withdrawn")


async def _new(visit: Visit, refused: ServiceError | None = None) -> Response:
    query = visit.request.query_params
    client_id, _, audience = query.get("for", "").partition(" ")
    if not audience:
        return await _first_step(visit, query.get("account", ""))

    def read(uow: UnitOfWork) -> tuple[ServiceAccount, Api]:
        return GetServiceAccount(client_id)(uow), GetApi(audience)(uow)

    account, api = await visit.view(read)
    allowed = account.scopes_of(audience)
    lifetimes = presets(api)
    usual = max((seconds for seconds in lifetimes if seconds <= 30 * DAY), default=lifetimes[0])
    return await show(
        visit,
        "token_requests/new.html",
        refused=refused,
        account=account,
        api=api,
        scope_options=[
            (scope.name, scope.description or scope.name, "") for scope in api.scopes if scope.name in allowed
        ],
        chosen_scopes=visit.form.many("scopes"),
        lifetimes=[(str(seconds), duration(seconds), "") for seconds in lifetimes],
        chosen_lifetime=visit.form.one("lifetime") or str(usual),
    )


async def _first_step(visit: Visit, client_id: str) -> Response:
    def read(uow: UnitOfWork) -> list[tuple[str, str, str]]:
        described = {api.audience: api.description for api in tuple(all_items(uow, ListApis())) if api.enabled}
        accounts = tuple(all_items(uow, ListServiceAccounts()))
        return [
            (f"{account.client_id} {access.audience}", f"{account.client_id} at {access.audience}", described[name])
            for account in accounts
            if account.enabled and client_id in {"", account.client_id}
            for access in account.apis
            if (name := access.audience) in described
        ]

    pairs = await visit.view(read)
    values: Values = {"api": None, "account": None, "pairs": pairs, "chosen_pair": pairs[0][0] if pairs else ""}
    return await show(visit, "token_requests/new.html", **values)


async def _one(visit: Visit, refused: ServiceError | None = None) -> Response:
    def read(uow: UnitOfWork) -> Values:
        found = GetTokenRequest(visit.request.path_params["token_request"])(uow)
        sentences = {scope.name: scope.description for scope in GetApi(found.audience)(uow).scopes}
        return {
            "request": found,
            "asker": usernames(uow, [found.requested_by]).get(found.requested_by, "A user"),
            "scopes": [(scope, sentences.get(scope, "")) for scope in found.scopes],
        }

    return await show(visit, "token_requests/one.html", refused=refused, **await visit.view(read))
