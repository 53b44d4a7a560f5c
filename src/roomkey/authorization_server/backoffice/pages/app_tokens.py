"""App tokens: the list, one token, rotation and revocation."""

from starlette.responses import Response

from roomkey.authorization_server.accounts.apis.commands import GetApi
from roomkey.authorization_server.accounts.app_tokens.commands import (
    CreateAppToken,
    CreatedAppToken,
    GetAppToken,
    ListAppTokens,
    RevokeAppToken,
    RotateAppToken,
)
from roomkey.authorization_server.accounts.app_tokens.model import AppToken
from roomkey.authorization_server.backoffice import snippets
from roomkey.authorization_server.backoffice.forms import OVERLAP, Confirmation
from roomkey.authorization_server.backoffice.lookups import token_state, usernames
from roomkey.authorization_server.backoffice.page import Routes, Values, ask, done, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.backoffice.shown_once import OneTimeSecret, show_once
from roomkey.authorization_server.backoffice.time_words import absolute, duration, relative
from roomkey.authorization_server.commands.terminal import in_terminal
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork

_LIST = "/app-tokens"
_CRUMB = ("App tokens", _LIST)
_ROTATE = (Permission.CHANGE_ACCOUNTS, Permission.REQUEST_TOKENS)
_REVOKE = (Permission.REVOKE_TOKENS, *_ROTATE)
_ONE = f"{_LIST}/{{token}}"
ROUTES = Routes()


@ROUTES.get(_LIST, Permission.READ)
async def list_tokens(visit: Visit) -> Response:
    """Show a page of app tokens, the newest first."""
    query = visit.request.query_params
    filters = {name: query.get(name, "").strip() for name in ("client_id", "audience")}
    client_id, audience = filters["client_id"] or None, filters["audience"] or None
    found = await visit.view(ListAppTokens(after=query.get("after"), client_id=client_id, audience=audience))
    return await show(visit, "app_tokens/list.html", found=found, filters=filters, token_state=token_state)


@ROUTES.get(_ONE, Permission.READ)
async def one_token(visit: Visit) -> Response:
    """Show an app token: its scopes and its history."""

    def read(uow: UnitOfWork) -> Values:
        token = _token(uow, visit)
        sentences = {scope.name: scope.description for scope in GetApi(token.audience)(uow).scopes}
        kind, _, creator = token.created_by.partition(":")
        names = usernames(uow, [creator, token.owner_id])
        own = token.owner_id == uow.actor.id
        lives = token.state(uow.now) in {"live", "replaced"}
        return {
            "token": token,
            "scopes": [(scope, sentences.get(scope, "")) for scope in token.scopes],
            "creator": names.get(creator, creator or kind),
            "owner": names.get(token.owner_id or "", ""),
            "may_rotate": token.state(uow.now) == "live" and _may(visit, own, Permission.CHANGE_ACCOUNTS),
            "may_revoke": lives and _may(visit, own, Permission.REVOKE_TOKENS, Permission.CHANGE_ACCOUNTS),
        }

    return await show(visit, "app_tokens/one.html", token_state=token_state, **await visit.view(read))


@ROUTES.get(f"{_ONE}/rotate", *_ROTATE)
async def ask_rotation(visit: Visit) -> Response:
    """Ask before the token is rotated."""
    token = await visit.view(lambda uow: _token(uow, visit))
    question = Confirmation(
        title=f"Rotate {token.hint}?",
        crumbs=(_CRUMB, (token.hint, _url(token))),
        breaks=(
            f"A new token with the same scopes is created for {token.client_id} and shown once.",
            f"The present one is valid until the end of the overlap; then {token.audience} rejects it.",
            _use(token, visit.service.now()),
        ),
        label="Rotate it",
        back=_url(token),
        command=in_terminal(RotateAppToken, id=token.id, overlap=DAY),
        danger=False,
        choice=OVERLAP,
    )
    return await ask(visit, question)


@ROUTES.post(f"{_ONE}/rotate", *_ROTATE)
async def rotate_token(visit: Visit) -> Response:
    """Rotate the token, and show the new one once."""
    overlap = visit.form.seconds("overlap")
    return await show_once(
        visit,
        lambda uow: shown_token(uow, RotateAppToken(visit.request.path_params["token"], overlap=overlap)(uow)),
    )


@ROUTES.get(f"{_ONE}/revoke", *_REVOKE)
async def ask_revocation(visit: Visit) -> Response:
    """Ask before the token is revoked."""
    token = await visit.view(lambda uow: _token(uow, visit))
    settings = visit.service.settings
    question = Confirmation(
        title=f"Revoke {token.hint}?",
        crumbs=(_CRUMB, (token.hint, _url(token))),
        breaks=(
            f"{token.client_id} is rejected at {token.audience} with it. {_use(token, visit.service.now())}",
            "APIs that introspect tokens reject it at once, APIs that read the revocation lists within "
            + duration(2 * settings.list_ttl)
            + ".",
            "It cannot be undone; a new token has to be requested.",
        ),
        label="Revoke it",
        back=_url(token),
        command=in_terminal(RevokeAppToken, id=token.id),
        note=("reason", "Reason"),
    )
    return await ask(visit, question)


@ROUTES.post(f"{_ONE}/revoke", *_REVOKE)
async def revoke_token(visit: Visit) -> Response:
    """Revoke it."""
    id_, reason = visit.request.path_params["token"], visit.form.one("reason").strip()
    token = await visit.perform(RevokeAppToken(id_, reason=reason))
    return done(_url(token), "revoked")


def shown_token(uow: UnitOfWork, made: CreatedAppToken) -> OneTimeSecret:
    """The page that shows a new app token once, with code that uses it."""
    token, value = made.app_token, made.token.reveal()
    return OneTimeSecret(
        title=f"The token of {token.client_id}",
        label="App token",
        secret=value,
        crumbs=(_CRUMB, (token.hint, _url(token))),
        facts=(
            ("For", f"{token.client_id} at {token.audience}"),
            ("Scopes", ", ".join(token.scopes)),
            ("Expires", f"{relative(token.expires_at, uow.now)}, {absolute(token.expires_at)}"),
        ),
        snippets=snippets.for_app_token(token, value),
        is_token=True,
        on=_url(token),
        command=in_terminal(
            CreateAppToken,
            client_id=token.client_id,
            audience=token.audience,
            scopes=token.scopes,
            lifetime=token.lifetime,
        ),
    )


def _token(uow: UnitOfWork, visit: Visit) -> AppToken:
    return GetAppToken(visit.request.path_params["token"])(uow)


def _url(token: AppToken) -> str:
    return f"{_LIST}/{token.id}"


def _use(token: AppToken, now: int) -> str:
    if token.last_used_at is None:
        return "It was never used, as far as the service knows."
    return f"It was last used {relative(token.last_used_at, now)}."


def _may(visit: Visit, own: bool, *permissions: Permission) -> bool:  # noqa: FBT001 - whose token it is
    asks = own and visit.actor.may(Permission.REQUEST_TOKENS)
    return asks or any(visit.actor.may(permission) for permission in permissions)
