"""``/oauth2/authorize``: sign-in and consent for the authorization code grant (RFC 6749 4.1, RFC 7636, RFC 9207)."""

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
    ClientRedirect,
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
_MAX_QUERY: Final = 8192


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request whose client and redirect_uri are validated: any other error goes to the redirect_uri."""

    client: Client
    form: Form
    redirect: ClientRedirect


@requires(stage=None)
async def show_consent(visit: Visit) -> Response:
    """Show the consent page, after the sign-in."""
    checked = await _read(visit)
    if isinstance(checked, Response):
        return checked
    try:
        request = read_request(checked.client, checked.form)
        _check_prompt_none(visit, request)
        sign_in = _sign_in_first(visit, request)
        if sign_in is not None:
            return sign_in
        scope = _scope(visit, checked.client, request)
    except OAuthError as error:
        return _redirect(visit, checked.redirect.with_error(error))
    consent = await visit.view(lambda uow: _consent(uow, checked.client, request, scope))
    response = show_sign_in(
        visit,
        "consent.html",
        action=f"{_PATH}?{visit.request.scope['query_string'].decode('latin-1')}",
        user=visit.user,
        to=checked.redirect.redirect_uri,
        **consent,
    )
    return secured(response, visit.service.settings, form_to=_form_target(checked.redirect.redirect_uri))


@requires(stage=None)
async def decide(visit: Visit) -> Response:
    """Send the client a code, or access_denied where the user declines."""
    checked = await _read(visit)
    if isinstance(checked, Response):
        return checked
    try:
        request = read_request(checked.client, checked.form)
        if _sign_in_first(visit, request) is not None:
            raise OAuthError("access_denied", "The session has expired; try again.")
        if visit.form.one("decision") != "allow":
            raise OAuthError("access_denied", "The user denied the request.")
        grant = _grant(visit, checked, request, _scope(visit, checked.client, request))
    except OAuthError as error:
        return _redirect(visit, checked.redirect.with_error(error))

    def act(uow: UnitOfWork) -> str:
        require_config_version(uow.connection, checked.client.config_version)
        if sessions.look_up(uow, visit.cookie) is None:
            raise NotAllowed("Your session has expired; sign in again.")
        record_event(
            uow,
            "authorization.granted",
            Subject("service_account", grant.client_id, visit.user.tenant),
            audience=grant.audience,
            scope=grant.scope,
        )
        return new_code(uow, grant).value

    return _redirect(visit, checked.redirect.with_code(await visit.perform(act)))


ROUTES: Final = (
    Route(_PATH, show_consent, methods=["GET"]),
    Route(_PATH, decide, methods=["POST"]),
)


async def _read(visit: Visit) -> CheckedRequest | Response:
    """Validate client and redirect_uri first; before that nobody is redirected (auth service 29)."""
    query: bytes = visit.request.scope["query_string"]
    if len(query) > _MAX_QUERY:
        return _show_problem(visit, "The URL that the app sent you to is too long.")
    try:
        form = parse_form(query, _FORM)
    except OAuthError:
        return _show_problem(visit, "The URL that the app sent you to is not a valid request.")
    client_id, redirect_uri = form.optional("client_id"), form.optional("redirect_uri")
    client = None if client_id is None or "\x00" in client_id else await ClientCache(visit.service).read(client_id)
    if client is None or client.is_api:
        return _show_problem(visit, "The app that sent you here is unknown or disabled.")
    if redirect_uri is None or not is_registered(client, redirect_uri):
        return _show_problem(visit, "The app sent you here with a redirect_uri that is not registered for it.")
    issuer = visit.service.settings.issuer
    return CheckedRequest(client, form, ClientRedirect(redirect_uri, form.optional("state"), issuer))


def _check_prompt_none(visit: Visit, request: AuthorizationRequest) -> None:
    """Raise OAuthError for ``prompt=none``: consent always needs the user."""
    if "none" not in request.prompts:
        return
    if redirect_to_sign_in(visit) is not None:
        raise OAuthError("login_required", "The user is not signed in.")
    raise OAuthError("consent_required", "The user must consent.")


def _sign_in_first(visit: Visit, request: AuthorizationRequest) -> Response | None:
    """Return the redirect to a sign-in that is needed first; raises OAuthError where the session's acr does not do."""
    redirect = redirect_to_sign_in(visit)
    if redirect is not None:
        return redirect
    session = visit.session
    if request.acr and session.acr not in request.acr:
        raise OAuthError("unmet_authentication_requirements", "The user signed in with another method.")
    age = visit.service.now() - _authenticated_at(session)
    if request.max_age is not None and age > max(request.max_age, 60):  # the user needs time to return
        return see_other(_confirm_password(visit))
    if "login" in request.prompts and not session.password_is_fresh(visit.service.now()):
        return see_other(_confirm_password(visit))
    return None


def _confirm_password(visit: Visit) -> str:
    """Return the page that asks for the password again and returns here."""
    query = visit.request.scope["query_string"].decode("latin-1")
    return f"/account/confirm?next={quote(f'{_PATH}?{query}', safe='/')}"


def _scope(visit: Visit, client: Client, request: AuthorizationRequest) -> tuple[str, ...]:
    """Return the requested scopes that the user can grant; raises OAuthError where there are none."""
    if client.tenant is not None and client.tenant != visit.user.tenant:
        raise OAuthError("access_denied", "The client belongs to another tenant.")
    scope = granted_scope(request.access, request.scope, allowed=visit.user.scopes)
    if not scope:
        raise OAuthError("invalid_scope", "The user can grant none of the requested scopes.")
    return scope


def _grant(visit: Visit, checked: CheckedRequest, request: AuthorizationRequest, scope: tuple[str, ...]) -> CodeGrant:
    return CodeGrant(
        client_id=checked.client.client_id,
        user_id=visit.user.id,
        redirect_uri=checked.redirect.redirect_uri,
        code_challenge=request.code_challenge,
        audience=request.access.api.audience,
        scope=scope,
        authenticated_at=_authenticated_at(visit.session),
        acr=visit.session.acr,
    )


def _authenticated_at(session: Session) -> int:
    return max(session.authenticated_at or 0, session.password_at or 0)


def _consent(uow: UnitOfWork, client: Client, request: AuthorizationRequest, scope: tuple[str, ...]) -> dict[str, Any]:
    audience, find = request.access.api.audience, uow.connection.scalar
    rows = uow.connection.execute(select(api_scopes).where(api_scopes.c.audience == audience))
    descriptions = {row.scope: row.description for row in rows}
    app = service_accounts.c
    return {
        "client_id": client.client_id,
        "description": find(select(app.description).where(app.client_id == client.client_id)) or "",
        "audience": audience,
        "api": find(select(apis.c.description).where(apis.c.audience == audience)) or "",
        "scopes": [(name, descriptions.get(name, "")) for name in scope],
    }


def _redirect(visit: Visit, url: str) -> Response:
    response = RedirectResponse("/", status_code=303)
    response.headers["location"] = url  # unchanged: Starlette would quote the client's registered URL
    return secured(response, visit.service.settings, form_to=_form_target(url))


def _show_problem(visit: Visit, problem: str) -> Response:
    return show_sign_in(visit, "stopped.html", status=400, problem=problem)


def _form_target(redirect_uri: str) -> str:
    """Return the CSP source for form-action: the origin of the URL, or the private scheme of a native app."""
    parts = urlsplit(redirect_uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
