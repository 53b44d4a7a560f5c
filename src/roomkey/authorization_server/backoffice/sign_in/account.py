"""The user's own account: password, second factors, recovery codes and sessions; each change needs a fresh password."""

import functools
import json
from typing import Final

from starlette.responses import Response

from roomkey.authorization_server.backoffice.page import Routes, show_sign_in
from roomkey.authorization_server.backoffice.session import (
    Page,
    Visit,
    begin_session,
    end_session,
    see_other,
)
from roomkey.authorization_server.backoffice.sign_in.enrol import leave_codes
from roomkey.authorization_server.backoffice.sign_in.entry import next_of
from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.identity import passkeys, recovery_codes, sessions, totp, users
from roomkey.authorization_server.identity.passkeys import relying_party
from roomkey.authorization_server.identity.password_login import SignInAttempt, is_own_password
from roomkey.authorization_server.identity.sessions import NewSession, Stage
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.unit_of_work import UnitOfWork

_WRONG: Final = "The password is wrong, or there were too many attempts. Try again in a few minutes."
_WRONG_CODE: Final = "The code is wrong. Enter the code that the app shows now, and check the phone's clock."


ROUTES = Routes()


def _with_fresh_password(page: Page) -> Page:
    """A page that first asks for the password again where that was last done more than five minutes ago."""

    @functools.wraps(page)
    async def checked(visit: Visit) -> Response:
        if not visit.session.password_is_fresh(visit.service.now()):
            return see_other("/account/confirm?next=/account")
        return await page(visit)

    return checked


@ROUTES.get("/account")
async def show(visit: Visit) -> Response:
    """Show the account."""
    return await _page(visit)


@ROUTES.get("/account/confirm")
async def show_confirm(visit: Visit) -> Response:
    """Ask for the password again."""
    return show_sign_in(visit, "confirm_password.html", next=next_of(visit))


@ROUTES.post("/account/confirm")
async def confirm(visit: Visit) -> Response:
    """Check the password again; the session continues under a new id."""
    wanted = next_of(visit)
    attempt = SignInAttempt(visit.user.username, visit.form.one("password"), visit.address)
    if not await is_own_password(visit.service, visit.hashing, visit.user, attempt):
        return show_sign_in(visit, "confirm_password.html", status=401, problem=_WRONG, next=wanted)
    begun = await visit.perform(functools.partial(_renewed, visit=visit, password_asked=True))
    return begin_session(see_other(wanted), visit, begun)


@ROUTES.post("/account/password")
@_with_fresh_password
async def change_password(visit: Visit) -> Response:
    """Change the password; every other session and every token is revoked."""
    try:
        hashed = await visit.hashing.hash_new_async(
            visit.form.one("new_password"), username=visit.user.username, field="new_password"
        )
    except Invalid as problem:
        return await _page(visit, problem=problem, status=422)

    def act(uow: UnitOfWork) -> NewSession:
        users.replace_password(uow, visit.user, hashed, keep_session=visit.session.id)
        return _renewed(uow, visit=visit, password_asked=True)

    return begin_session(see_other("/account"), visit, await visit.perform(act))


@ROUTES.post("/account/totp/begin")
@_with_fresh_password
async def begin_totp(visit: Visit) -> Response:
    """Make a new QR code for an authenticator app."""
    await visit.perform(lambda uow: totp.begin(uow, visit.user))
    return see_other("/account/totp")


@ROUTES.get("/account/totp")
@_with_fresh_password
async def show_totp(visit: Visit) -> Response:
    """Show the QR code that waits for a first code."""
    return await _totp_page(visit)


@ROUTES.post("/account/totp")
@_with_fresh_password
async def confirm_totp(visit: Visit) -> Response:
    """Register the authenticator app whose code this is."""
    code = visit.form.one("code").strip()

    def act(uow: UnitOfWork) -> NewSession | None:
        user = totp.confirm(uow, visit.user, code, session=visit.session.id)
        return None if user is None else _with_codes(uow, visit, user)

    begun = await visit.perform(act)
    if begun is None:
        return await _totp_page(visit, problem=Invalid(_WRONG_CODE, field="code"), status=422)
    return begin_session(see_other("/account/recovery-codes"), visit, begun)


@ROUTES.post("/account/totp/remove")
@_with_fresh_password
async def remove_totp(visit: Visit) -> Response:
    """Remove the authenticator app."""

    def act(uow: UnitOfWork) -> NewSession:
        totp.remove(uow, visit.user, session=visit.session.id)
        return _renewed(uow, visit=visit)

    return begin_session(see_other("/account"), visit, await visit.perform(act))


@ROUTES.post("/account/passkeys/options")
@_with_fresh_password
async def passkey_options(visit: Visit) -> Response:
    """WebAuthn creation options as JSON, for the page's script."""
    options = await visit.perform(lambda uow: passkeys.registration_options(uow, visit.user, visit.session))
    return Response(options, media_type="application/json")


@ROUTES.post("/account/passkeys")
@_with_fresh_password
async def take_passkey(visit: Visit) -> Response:
    """Register the passkey that the browser has made."""
    name, answer = visit.form.one("name"), visit.form.one("answer")

    def act(uow: UnitOfWork) -> NewSession:
        user = passkeys.register(uow, visit.user, visit.session, name=name, answer=answer)
        return _with_codes(uow, visit, user)

    try:
        begun = await visit.perform(act)
    except Invalid as problem:
        return await _page(visit, problem=problem, status=422)
    return begin_session(see_other("/account/recovery-codes"), visit, begun)


@ROUTES.post("/account/passkeys/remove")
@_with_fresh_password
async def remove_passkey(visit: Visit) -> Response:
    """Remove a passkey."""
    passkey = visit.form.one("passkey")

    def act(uow: UnitOfWork) -> NewSession:
        passkeys.remove(uow, visit.user, passkey, session=visit.session.id)
        return _renewed(uow, visit=visit)

    return begin_session(see_other("/account"), visit, await visit.perform(act))


@ROUTES.post("/account/recovery-codes")
@_with_fresh_password
async def renew_recovery_codes(visit: Visit) -> Response:
    """Make ten new recovery codes; the old ones become invalid."""

    def act(uow: UnitOfWork) -> NewSession:
        return _with_codes(uow, visit, visit.user, renew=True)

    return begin_session(see_other("/account/recovery-codes"), visit, await visit.perform(act))


@ROUTES.get("/account/recovery-codes")
async def show_recovery_codes(visit: Visit) -> Response:
    """Show the recovery codes, once; a reload redirects to the account."""
    notice = await visit.perform(lambda uow: sessions.take_notice(uow, visit.session))
    shown = {} if notice is None else json.loads(notice)
    if "recovery_codes" not in shown:
        return see_other("/account")
    return show_sign_in(visit, "recovery_codes.html", codes=shown["recovery_codes"], next=shown["next"])


@ROUTES.post("/account/sessions/end")
async def end_own_session(visit: Visit) -> Response:
    """Revoke one of the user's own sessions, this one too."""
    session = visit.form.one("session")
    await visit.perform(lambda uow: sessions.revoke_own(uow, visit.user, session))
    if session == visit.session.id:
        return end_session(see_other("/sign-in"), visit)
    return see_other("/account")


def _renewed(uow: UnitOfWork, *, visit: Visit, password_asked: bool = False) -> NewSession:
    """The same session under a new id."""
    agent = visit.request.headers.get("user-agent", "")
    before = visit.session
    return sessions.begin(
        uow,
        visit.user,
        stage=Stage.FULL,
        acr=before.acr,
        user_agent=agent,
        before=before,
        password_asked=password_asked,
    )


def _with_codes(uow: UnitOfWork, visit: Visit, user: User, *, renew: bool = False) -> NewSession:
    """The same session under a new id, with recovery codes to show where the user had none or asked for new ones."""
    codes: tuple[str, ...] = ()
    if renew or recovery_codes.left(uow, user) == 0:
        codes = recovery_codes.renew(uow, user, session=visit.session.id)
    begun = _renewed(uow, visit=visit)
    if codes:
        leave_codes(uow, begun.session, codes, "/account")
    return begun


async def _page(visit: Visit, *, problem: Invalid | None = None, status: int = 200) -> Response:
    def read(uow: UnitOfWork) -> dict[str, object]:
        return {
            "sessions": sessions.list_sessions(uow, visit.user.id),
            "passkeys": passkeys.list_passkeys(uow, visit.user),
            "codes_left": recovery_codes.left(uow, visit.user),
        }

    return show_sign_in(
        visit,
        "account.html",
        problem=problem,
        status=status,
        user=visit.user,
        here=visit.session.id,
        fresh=visit.session.password_is_fresh(visit.service.now()),
        may_passkey=relying_party(visit.service.settings) is not None,
        **await visit.view(read),
    )


async def _totp_page(visit: Visit, *, problem: Invalid | None = None, status: int = 200) -> Response:
    enrolment = await visit.view(lambda uow: totp.pending(uow, visit.user))
    if enrolment is None:
        return see_other("/account")
    return show_sign_in(visit, "totp.html", problem=problem, status=status, enrolment=enrolment)
