"""``/oauth2/authorize``: a person signs in here and says what an app may do for them (RFC 6749 4.1, 7636, 9207)."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.backoffice.page import show_sign_in
from roomkey.authorization_server.backoffice.session import Visit, redirect_to_sign_in, requires, secured, see_other
from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.clients.client_cache import ClientCache, require_config_version
from roomkey.authorization_server.endpoints.authorization_request import (
    AuthorizationRequest,
    ReturnAddress,
    is_registered,
    read_request,
)
from roomkey.authorization_server.errors import NotAllowed
from roomkey.authorization_server.grants.authorization_code import CodeGrant, new_code
from roomkey.authorization_server.grants.scope import granted_scope
from roomkey.authorization_server.identity import sessions
from roomkey.authorization_server.identity.sessions import Session
from roomkey.authorization_server.schema.accounts import api_scopes, apis, service_accounts
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.form import Form, parse_form
from roomkey.authorization_server.web.oauth_error import OAuthError

_PATH: Final = "/oauth2/authorize"
_FORM: Final = b"application/x-www-form-urlencoded"
_LONGEST_QUERY: Final = 8192


@dataclass(frozen=True, slots=True)
class Asking:
    """A request whose client and return address are beyond doubt: whatever else is wrong, the client is told."""

    client: Client
    form: Form
    back: ReturnAddress


@requires(stage=None)
async def ask(visit: Visit) -> Response:
    """Show the person what the app asks for; sign in first where nobody is."""
    asking = await _read(visit)
    if isinstance(asking, Response):
        return asking
    try:
        request = read_request(asking.client, asking.form)
        _check_way(visit, request)
        led = _sign_in_first(visit, request)
        if led is not None:
            return led
        scope = _scope(visit, asking.client, request)
    except OAuthError as error:
        return _go(visit, asking.back.with_error(error))
    shown = await visit.view(lambda uow: _shown(uow, asking.client, request, scope))
    response = show_sign_in(
        visit,
        "consent.html",
        action=f"{_PATH}?{visit.request.scope['query_string'].decode('latin-1')}",
        user=visit.user,
        to=asking.back.redirect_uri,
        **shown,
    )
    return secured(response, visit.service.settings, form_to=_source(asking.back.redirect_uri))


@requires(stage=None)
async def decide(visit: Visit) -> Response:
    """Hand the app a code, or tell it that the person does not want to."""
    asking = await _read(visit)
    if isinstance(asking, Response):
        return asking
    try:
        request = read_request(asking.client, asking.form)
        if _sign_in_first(visit, request) is not None:
            raise OAuthError("access_denied", "The session has ended; try again.")
        if visit.form.one("decision") != "allow":
            raise OAuthError("access_denied", "The person does not allow this.")
        granted = _granted(visit, asking, request, _scope(visit, asking.client, request))
    except OAuthError as error:
        return _go(visit, asking.back.with_error(error))

    def act(uow: UnitOfWork) -> str:
        require_config_version(uow.connection, asking.client.config_version)
        if sessions.look_up(uow, visit.cookie) is None:
            raise NotAllowed("Your session has ended; sign in again.")
        record_event(
            uow,
            "authorization.granted",
            Subject("service_account", granted.client_id, visit.user.tenant),
            audience=granted.audience,
            scope=granted.scope,
        )
        return new_code(uow, granted).value

    return _go(visit, asking.back.with_code(await visit.perform(act)))


ROUTES: Final = (
    Route(_PATH, ask, methods=["GET"]),
    Route(_PATH, decide, methods=["POST"]),
)


async def _read(visit: Visit) -> Asking | Response:
    """Client and return address first; while these are in doubt nobody is sent anywhere (auth service 29)."""
    query: bytes = visit.request.scope["query_string"]
    if len(query) > _LONGEST_QUERY:
        return _stop(visit, "The address that the app has sent you to is too long.")
    try:
        form = parse_form(query, _FORM)
    except OAuthError:
        return _stop(visit, "The address that the app has sent you to is no right request.")
    client_id, redirect_uri = form.optional("client_id"), form.optional("redirect_uri")
    client = None if client_id is None or "\x00" in client_id else await ClientCache(visit.service).read(client_id)
    if client is None or client.is_api:
        return _stop(visit, "The app that has sent you here is not known, or it is disabled.")
    if redirect_uri is None or not is_registered(client, redirect_uri):
        return _stop(visit, "The app wants your answer at an address that is not registered for it.")
    issuer = visit.service.settings.issuer
    return Asking(client, form, ReturnAddress(redirect_uri, form.optional("state"), issuer))


def _check_way(visit: Visit, request: AuthorizationRequest) -> None:
    """Raise OAuthError where nobody may be asked, but somebody would have to be."""
    if "none" not in request.prompts:
        return
    if redirect_to_sign_in(visit) is not None:
        raise OAuthError("login_required", "Nobody is signed in.")
    raise OAuthError("consent_required", "The person must be asked.")


def _sign_in_first(visit: Visit, request: AuthorizationRequest) -> Response | None:
    """Where the person goes before they are asked; raises OAuthError where their way of signing in is too weak."""
    led = redirect_to_sign_in(visit)
    if led is not None:
        return led
    session = visit.session
    if request.acr and session.acr not in request.acr:
        raise OAuthError("unmet_authentication_requirements", "The person has signed in in another way.")
    age = visit.service.now() - _authenticated_at(session)
    if request.max_age is not None and age > max(request.max_age, 60):  # there must be time to come back
        return see_other(_password_again(visit))
    if "login" in request.prompts and not session.password_is_fresh(visit.service.now()):
        return see_other(_password_again(visit))
    return None


def _password_again(visit: Visit) -> str:
    """The page that asks for the password again and comes back here."""
    query = visit.request.scope["query_string"].decode("latin-1")
    return f"/account/confirm?next={quote(f'{_PATH}?{query}', safe='/')}"


def _scope(visit: Visit, client: Client, request: AuthorizationRequest) -> tuple[str, ...]:
    """What the person can grant of what is asked for; raises OAuthError."""
    if client.tenant is not None and client.tenant != visit.user.tenant:
        raise OAuthError("access_denied", "The app is another tenant's.")
    scope = granted_scope(request.access, request.scope, allowed=visit.user.scopes)
    if not scope:
        raise OAuthError("invalid_scope", "Nothing is asked for that this person can grant.")
    return scope


def _granted(visit: Visit, asking: Asking, request: AuthorizationRequest, scope: tuple[str, ...]) -> CodeGrant:
    return CodeGrant(
        client_id=asking.client.client_id,
        user_id=visit.user.id,
        redirect_uri=asking.back.redirect_uri,
        code_challenge=request.code_challenge,
        audience=request.access.api.audience,
        scope=scope,
        authenticated_at=_authenticated_at(visit.session),
        acr=visit.session.acr,
    )


def _authenticated_at(session: Session) -> int:
    return max(session.authenticated_at or 0, session.password_at or 0)


def _shown(uow: UnitOfWork, client: Client, request: AuthorizationRequest, scope: tuple[str, ...]) -> dict[str, Any]:
    audience, find = request.access.api.audience, uow.connection.scalar
    rows = uow.connection.execute(select(api_scopes).where(api_scopes.c.audience == audience))
    sentences = {row.scope: row.description for row in rows}
    app = service_accounts.c
    return {
        "client_id": client.client_id,
        "description": find(select(app.description).where(app.client_id == client.client_id)) or "",
        "audience": audience,
        "api": find(select(apis.c.description).where(apis.c.audience == audience)) or "",
        "scopes": [(name, sentences.get(name, "")) for name in scope],
    }


def _go(visit: Visit, address: str) -> Response:
    response = RedirectResponse("/", status_code=303)
    response.headers["location"] = address  # as it is: the client's own address is compared, never changed
    return secured(response, visit.service.settings, form_to=_source(address))


def _stop(visit: Visit, sentence: str) -> Response:
    return show_sign_in(visit, "stopped.html", status=400, problem=sentence)


def _source(redirect_uri: str) -> str:
    """Who the answer to the form may lead to, as a policy says it: an origin, or a program's own scheme."""
    parts = urlsplit(redirect_uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
