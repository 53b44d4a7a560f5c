"""Access to pages: sessions, permissions and CSRF protection; every page declares who may see it.

    @requires(Permission.CHANGE_USERS)
    async def disable(visit: Visit) -> Response:
        await visit.perform(DisableUser(visit.request.path_params["user"]))
        return see_other("/users")

The application keeps the service as ``app.state.service`` and the password hashing as ``app.state.hashing``. A
ServiceError that no page handles reaches the application's exception handler, which answers with ``error.status`` and
calls :func:`secured` on its page.
"""

import base64
import functools
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.backoffice.forms import PostedForm, read_form
from roomkey.authorization_server.errors import NotAllowed
from roomkey.authorization_server.identity import sessions, users
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.identity.sessions import NewSession, Session, SignedIn, Stage
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork

Result = TypeVar("Result")
_SAFE: Final = frozenset({"GET", "HEAD"})
_OWN_PAGES: Final = frozenset({"same-origin", "none"})
_LONGEST_NEXT: Final = 4096
_LONGEST_COOKIE: Final = 128
_CSRF_HEADER: Final = "x-csrf-token"


@dataclass(frozen=True, slots=True)
class PageAccess:
    """The stage that a session must have reached for a page, and the permissions of which the user must have one.

    ``stage`` None admits anybody; empty ``permissions`` admit every user at that stage.
    """

    stage: Stage | None = Stage.FULL
    permissions: tuple[Permission, ...] = ()


@dataclass(slots=True)
class Visit:
    """One request for a page.

    Attributes:
        request: as received; its path and query are untrusted.
        service: the auth service.
        hashing: for passwords.
        cookie: value of the session cookie; before the sign-in a random value without a session.
        signed_in: the session and its user, or None.
        form: the posted form; empty for other methods.
    """

    request: Request
    service: Service
    hashing: PasswordHashing
    cookie: str = field(repr=False)
    signed_in: SignedIn | None
    form: PostedForm = field(default_factory=PostedForm)

    @property
    def user(self) -> User:
        """The user of the session, at any stage; raises NotAllowed without a session."""
        return self._known().user

    @property
    def session(self) -> Session:
        """The session; raises NotAllowed without one."""
        return self._known().session

    @property
    def actor(self) -> Actor:
        """The user as an actor; before the sign-in an actor without permissions."""
        if self.signed_in is None:
            return Actor(ActorKind.USER, address=self.address)
        return self.signed_in.user.actor(self.address)

    @property
    def address(self) -> str:
        """The client's IP address."""
        return "" if self.request.client is None else self.request.client.host

    @property
    def csrf(self) -> str:
        """CSRF token, which forms send as ``csrf`` and scripts as ``X-CSRF-Token``: an HMAC of a constant, keyed by the
        cookie.
        """
        digest = hmac.digest(self.cookie.encode(), b"roomkey csrf", hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    async def perform(self, act: Callable[[UnitOfWork], Result]) -> Result:
        """The result of ``act``, run for the user and committed.

        The user's permissions are read again in the transaction of the act, so that a user who was demoted or disabled
        in the meantime changes nothing.
        """
        return await self.service.perform(self.actor, lambda uow: act(self._as_now(uow)))

    def _as_now(self, uow: UnitOfWork) -> UnitOfWork:
        if self.signed_in is None:
            return uow
        user = users.find(uow, self.signed_in.user.id)
        if user.disabled_at is not None:
            raise NotAllowed("Your account is disabled.")
        return replace(uow, actor=user.actor(self.address))

    async def view(self, read: Callable[[UnitOfWork], Result]) -> Result:
        """The result of ``read``, run for the user; it changes nothing."""
        return await self.service.view(self.actor, read)

    def _known(self) -> SignedIn:
        if self.signed_in is None:
            raise NotAllowed("You are not signed in; sign in first.")
        return self.signed_in


Page = Callable[[Visit], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def requires(*permissions: Permission, stage: Stage | None = Stage.FULL) -> Callable[[Page], Endpoint]:
    """Make a Starlette endpoint of a page for users who have one of ``permissions``, or for all users without any.

    A session that has not reached ``stage`` is redirected to the sign-in and comes back afterwards. Methods other than
    GET and HEAD need the CSRF token and must not come from another site; else, and without a permission, NotAllowed is
    raised. The endpoint's ``access`` is a :class:`PageAccess`, for the test that walks the routes.
    """
    access = PageAccess(stage, permissions)

    def made(page: Page) -> Endpoint:
        @functools.wraps(page)
        async def endpoint(request: Request) -> Response:
            visit = await _visit(request)
            if request.method not in _SAFE:
                await _check_csrf(visit)
            redirect = _redirect(visit, access)
            response = redirect if redirect is not None else await page(visit)
            if visit.cookie != _sent(request) and not _has_cookie(response, visit.service.settings):
                set_cookie(response, visit.service.settings, visit.cookie)
            return secured(response, visit.service.settings)

        endpoint.access = access  # type: ignore[attr-defined]
        return endpoint

    return made


def see_other(path: str) -> Response:
    """Redirect to a GET of ``path``, a path of this service (303)."""
    return RedirectResponse(path, status_code=303)


def redirect_to_sign_in(visit: Visit) -> Response | None:
    """A redirect to the sign-in that comes back to this page; None where the session is complete."""
    return _redirect(visit, PageAccess())


def local_path(wanted: str, *, otherwise: str = "/") -> str:
    """``wanted`` where it is a path of this service in every browser (no open redirect), else ``otherwise``."""
    odd = len(wanted) > _LONGEST_NEXT or not wanted.isascii() or not wanted.isprintable() or "\\" in wanted
    if odd or not wanted.startswith("/") or wanted.startswith("//") or " " in wanted:
        return otherwise
    parts = urlsplit(wanted)
    return otherwise if parts.scheme or parts.netloc else wanted


def begin_session(response: Response, visit: Visit, begun: NewSession) -> Response:
    """``response`` with the cookie of a new session; the previous one is revoked already."""
    set_cookie(response, visit.service.settings, begun.cookie.value)
    return response


def set_cookie(response: Response, settings: Settings, value: str) -> None:
    """Set the session cookie: host-only, until the browser closes, HttpOnly, SameSite=Lax."""
    response.set_cookie(
        cookie_name(settings), value, path="/", secure=_is_https(settings), httponly=True, samesite="lax"
    )


def end_session(response: Response, visit: Visit) -> Response:
    """``response`` with a new cookie without a session."""
    set_cookie(response, visit.service.settings, secret_format.generate_secret(secret_format.SecretKind.SESSION).value)
    return response


def cookie_name(settings: Settings) -> str:
    """``__Host-roomkey``, which no other host can set; ``roomkey`` on loopback without https."""
    return "__Host-roomkey" if _is_https(settings) else "roomkey"


def secured(response: Response, settings: Settings, *, form_to: str = "") -> Response:
    """``response`` with the security headers of every page: CSP, no framing, no referrer, no caching, HSTS.

    ``form_to`` is the origin of another site that a form's response may redirect to, for consent pages.
    """
    headers = {
        "content-security-policy": response.headers.get("content-security-policy") or _policy(form_to),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
        "cache-control": "no-store",
    }
    if _is_https(settings):
        headers["strict-transport-security"] = "max-age=31536000"
    response.headers.update(headers)
    return response


def _policy(form_to: str) -> str:
    own = ("script-src", "style-src", "img-src", "font-src", "connect-src")
    forms = "'self'" + (f" {form_to}" if form_to else "")
    return "; ".join(
        [
            "default-src 'none'",
            *(f"{kind} 'self'" for kind in own),
            f"form-action {forms}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


async def _visit(request: Request) -> Visit:
    service: Service = request.app.state.service
    cookie = _sent(request)
    signed_in = None
    if secret_format.is_well_formed(cookie, secret_format.SecretKind.SESSION):
        anonymous = Actor(ActorKind.USER)
        signed_in = await service.view(anonymous, lambda uow: sessions.look_up(uow, cookie))
        if signed_in is not None and sessions.needs_touch(signed_in.session, service.now()):
            session = signed_in.session
            await service.perform(anonymous, lambda uow: sessions.touch(uow, session))
    else:
        cookie = secret_format.generate_secret(secret_format.SecretKind.SESSION).value
    return Visit(request, service, request.app.state.hashing, cookie, signed_in)


async def _check_csrf(visit: Visit) -> None:
    """Read the form; raise NotAllowed for a cross-site request or a wrong CSRF token."""
    headers = visit.request.headers
    if headers.get("sec-fetch-site", "none") not in _OWN_PAGES:
        raise NotAllowed("This form was sent by another site; nothing was changed.")
    visit.form = await read_form(visit.request)
    sent = headers.get(_CSRF_HEADER) or visit.form.one("csrf")
    if not hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), visit.csrf.encode()):
        raise NotAllowed("The form belongs to another session; go back, reload the page and try again.")


def _redirect(visit: Visit, access: PageAccess) -> Response | None:
    """A redirect where the session has not reached the page's stage, else None; NotAllowed without a permission."""
    if access.stage is None:
        return None
    scope = visit.request.scope  # and not request.url, which a Host header can bend
    path = quote(scope["path"]) + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
    back = f"?next={quote(path, safe='/')}" if visit.request.method in _SAFE and path != "/" else ""
    if visit.signed_in is None:
        return see_other(f"/sign-in{back}")
    stage = visit.signed_in.session.stage
    if stage is not access.stage:
        places = {Stage.PASSWORD: f"/sign-in/second-factor{back}", Stage.ENROLMENT: f"/sign-in/enrol{back}"}
        return see_other(places.get(stage, "/"))
    if access.permissions and not any(visit.actor.may(permission) for permission in access.permissions):
        raise NotAllowed("Your roles do not allow this page; ask an administrator.")
    return None


def _sent(request: Request) -> str:
    return request.cookies.get(cookie_name(request.app.state.service.settings), "")[:_LONGEST_COOKIE]


def _has_cookie(response: Response, settings: Settings) -> bool:
    own = f"{cookie_name(settings)}="
    return any(value.startswith(own) for value in response.headers.getlist("set-cookie"))


def _is_https(settings: Settings) -> bool:
    return settings.issuer.startswith("https://")
