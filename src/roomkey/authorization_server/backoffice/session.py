"""Who visits a page: every page says whom it lets in, and every change proves that it comes from a page of ours.

    @requires(Permission.CHANGE_USERS)
    async def disable(visit: Visit) -> Response:
        await visit.perform(lambda work: users.disable(work, visit.request.path_params["user"]))
        return see_other("/users")

The application keeps the service as ``app.state.service`` and the password hashing as ``app.state.hashing``. What a
page raises on purpose (ServiceError) goes on to the application's exception handler, which answers with
``error.status`` and calls :func:`secured` on its page.
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
from roomkey.authorization_server.backoffice.forms import Form, read_form
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
    """Whom a page lets in: how far somebody must have come, and one of which permissions they must have.

    ``stage`` None is for anybody; ``permissions`` empty is for everybody who has come so far.
    """

    stage: Stage | None = Stage.FULL
    permissions: tuple[Permission, ...] = ()


@dataclass(slots=True)
class Visit:
    """One request for a page by somebody.

    Attributes:
        request: as it came; its path and query are what somebody typed.
        service: the auth service.
        hashing: for passwords.
        cookie: the value of the session cookie; before the sign-in a value that stands for nothing.
        signed_in: whose session it is and how far it has come, or None.
        form: what was posted; empty for other methods.
    """

    request: Request
    service: Service
    hashing: PasswordHashing
    cookie: str = field(repr=False)
    signed_in: SignedIn | None
    form: Form = field(default_factory=Form)

    @property
    def user(self) -> User:
        """Who has signed in, or is half-way; raises NotAllowed where nobody has."""
        return self._known().user

    @property
    def session(self) -> Session:
        """Their session; raises NotAllowed where there is none."""
        return self._known().session

    @property
    def actor(self) -> Actor:
        """On whose behalf this visit works; before the sign-in nobody, who may do nothing."""
        if self.signed_in is None:
            return Actor(ActorKind.USER, address=self.address)
        return self.signed_in.user.actor(self.address)

    @property
    def address(self) -> str:
        """Where the visit comes from."""
        return "" if self.request.client is None else self.request.client.host

    @property
    def csrf(self) -> str:
        """What forms carry as ``csrf``, and scripts as ``X-CSRF-Token``; it follows from the cookie and is no secret
        that opens anything.
        """
        digest = hmac.digest(self.cookie.encode(), b"roomkey csrf", hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    async def perform(self, act: Callable[[UnitOfWork], Result]) -> Result:
        """What ``act`` returns, done on behalf of the visitor, once it is on the disk.

        What the visitor may do is read again in the transaction of the act: whoever was demoted or disabled since the
        page was asked for does nothing more.
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
        """What ``read`` finds on behalf of the visitor."""
        return await self.service.view(self.actor, read)

    def _known(self) -> SignedIn:
        if self.signed_in is None:
            raise NotAllowed("Nobody is signed in; sign in first.")
        return self.signed_in


Page = Callable[[Visit], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def requires(*permissions: Permission, stage: Stage | None = Stage.FULL) -> Callable[[Page], Endpoint]:
    """Make a Starlette endpoint of a page that lets in whoever has one of ``permissions``, or everybody without any.

    Somebody who has not come as far as ``stage`` is led to the sign-in and comes back afterwards. Anything but GET and
    HEAD needs the CSRF proof and must not come from another site; else, and without a permission, NotAllowed is raised.
    The endpoint's ``access`` is an :class:`PageAccess`, for the test that walks the routes.
    """
    access = PageAccess(stage, permissions)

    def made(page: Page) -> Endpoint:
        @functools.wraps(page)
        async def endpoint(request: Request) -> Response:
            visit = await _arrive(request)
            if request.method not in _SAFE:
                await _prove(visit)
            led = _lead(visit, access)
            response = led if led is not None else await page(visit)
            if visit.cookie != _sent(request) and not _has_cookie(response, visit.service.settings):
                set_cookie(response, visit.service.settings, visit.cookie)
            return secured(response, visit.service.settings)

        endpoint.access = access  # type: ignore[attr-defined]
        return endpoint

    return made


def see_other(path: str) -> Response:
    """Go on with a GET of ``path``, which is one of our own."""
    return RedirectResponse(path, status_code=303)


def led_to_sign_in(visit: Visit) -> Response | None:
    """Where somebody who has not signed in fully goes first, to come back to this page; None for who has."""
    return _lead(visit, PageAccess())


def local_path(wanted: str, *, otherwise: str = "/") -> str:
    """``wanted`` where it is a path on this service that nothing turns into another address, else ``otherwise``."""
    odd = len(wanted) > _LONGEST_NEXT or not wanted.isascii() or not wanted.isprintable() or "\\" in wanted
    if odd or not wanted.startswith("/") or wanted.startswith("//") or " " in wanted:
        return otherwise
    parts = urlsplit(wanted)
    return otherwise if parts.scheme or parts.netloc else wanted


def begin_session(response: Response, visit: Visit, begun: NewSession) -> Response:
    """``response`` with the cookie of a session that has just begun; the one before is dead already."""
    set_cookie(response, visit.service.settings, begun.cookie.value)
    return response


def set_cookie(response: Response, settings: Settings, value: str) -> None:
    """Set the session cookie: for this host and this browser session alone, and out of reach of scripts."""
    response.set_cookie(
        cookie_name(settings), value, path="/", secure=_is_https(settings), httponly=True, samesite="lax"
    )


def end_session(response: Response, visit: Visit) -> Response:
    """``response`` with another cookie, which stands for nothing."""
    set_cookie(response, visit.service.settings, secret_format.generate_secret(secret_format.SecretKind.SESSION).value)
    return response


def cookie_name(settings: Settings) -> str:
    """``__Host-roomkey``, which no other host can set; on loopback without https plain ``roomkey``."""
    return "__Host-roomkey" if _is_https(settings) else "roomkey"


def secured(response: Response, settings: Settings, *, form_to: str = "") -> Response:
    """``response`` with what every page says: no frames, nothing inline, no referrer, kept nowhere.

    ``form_to`` is the origin of another site that the answer to a form may lead to, for consent pages.
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


async def _arrive(request: Request) -> Visit:
    service: Service = request.app.state.service
    cookie = _sent(request)
    signed_in = None
    if secret_format.is_well_formed(cookie, secret_format.SecretKind.SESSION):
        stranger = Actor(ActorKind.USER)
        signed_in = await service.view(stranger, lambda uow: sessions.look_up(uow, cookie))
        if signed_in is not None and sessions.needs_touch(signed_in.session, service.now()):
            session = signed_in.session
            await service.perform(stranger, lambda uow: sessions.touch(uow, session))
    else:
        cookie = secret_format.generate_secret(secret_format.SecretKind.SESSION).value
    return Visit(request, service, request.app.state.hashing, cookie, signed_in)


async def _prove(visit: Visit) -> None:
    """Read the form; raise NotAllowed where another site has sent it, or it is not from a page of this session."""
    headers = visit.request.headers
    if headers.get("sec-fetch-site", "none") not in _OWN_PAGES:
        raise NotAllowed("Another site has sent this form; nothing was done.")
    visit.form = await read_form(visit.request)
    proof = headers.get(_CSRF_HEADER) or visit.form.one("csrf")
    if not hmac.compare_digest(proof.encode("utf-8", "surrogatepass"), visit.csrf.encode()):
        raise NotAllowed("This form is not of your present session; go back, reload the page and try again.")


def _lead(visit: Visit, access: PageAccess) -> Response | None:
    """Where somebody must go first who has not come as far as the page demands; NotAllowed without its rights."""
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
