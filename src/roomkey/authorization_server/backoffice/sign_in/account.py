"""One's own account: password, second factors, recovery codes and sessions; each change asks for the password first."""

import functools
import json
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response

from roomkey.authorization_server.backoffice.session import (
    Endpoint,
    Visit,
    begin_session,
    end_session,
    requires,
    see_other,
)
from roomkey.authorization_server.backoffice.sign_in.answer import page
from roomkey.authorization_server.backoffice.sign_in.enrol import leave_codes
from roomkey.authorization_server.backoffice.sign_in.entry import next_of
from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.identity import passkeys, recovery_codes, sessions, totp, users
from roomkey.authorization_server.identity.passkeys import relying_party
from roomkey.authorization_server.identity.password_login import SignInAttempt, is_own_password
from roomkey.authorization_server.identity.sessions import NewSession, Stage
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.unit_of_work import UnitOfWork

_WRONG: Final = "That is not your password, or too many have tried. Try again in a while."
_WRONG_CODE: Final = "That is not the code that the app shows now. Is the phone's clock right?"
_AGAIN: Final = "/account/confirm"


def _asks_again(page_: Callable[[Visit], Awaitable[Response]]) -> Endpoint:
    """A page of somebody who is signed in and has given the password in the last five minutes."""

    @requires()
    @functools.wraps(page_)
    async def asking(visit: Visit) -> Response:
        if not visit.session.password_is_fresh(visit.service.now()):
            return see_other(f"{_AGAIN}?next=/account")
        return await page_(visit)

    return asking


@requires()
async def show(visit: Visit) -> Response:
    """Everything about the account on one page."""
    return await _page(visit)


@requires()
async def show_confirm(visit: Visit) -> Response:
    """Ask for the password once more."""
    return page(visit, "confirm_password.html", next=next_of(visit))


@requires()
async def confirm(visit: Visit) -> Response:
    """Check the password once more; the session goes on under a new id."""
    wanted = next_of(visit)
    attempt = SignInAttempt(visit.user.username, visit.form.one("password"), visit.address)
    if not await is_own_password(visit.service, visit.hashing, visit.user, attempt):
        return page(visit, "confirm_password.html", status=401, problem=_WRONG, next=wanted)
    begun = await visit.perform(functools.partial(_renewed, visit=visit, password_asked=True))
    return begin_session(see_other(wanted), visit, begun)


@_asks_again
async def change_password(visit: Visit) -> Response:
    """Another password; every other session and every token ends."""
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


@_asks_again
async def begin_totp(visit: Visit) -> Response:
    """A new picture for an authenticator app."""
    await visit.perform(lambda uow: totp.begin(uow, visit.user))
    return see_other("/account/totp")


@_asks_again
async def show_totp(visit: Visit) -> Response:
    """The picture that waits for a first code."""
    return await _totp_page(visit)


@_asks_again
async def confirm_totp(visit: Visit) -> Response:
    """Take the app whose code this is."""
    code = visit.form.one("code").strip()

    def act(uow: UnitOfWork) -> NewSession | None:
        user = totp.confirm(uow, visit.user, code, session=visit.session.id)
        return None if user is None else _with_codes(uow, visit, user)

    begun = await visit.perform(act)
    if begun is None:
        return await _totp_page(visit, problem=Invalid(_WRONG_CODE, field="code"), status=422)
    return begin_session(see_other("/account/recovery-codes"), visit, begun)


@_asks_again
async def remove_totp(visit: Visit) -> Response:
    """Ask for no more codes."""

    def act(uow: UnitOfWork) -> NewSession:
        totp.remove(uow, visit.user, session=visit.session.id)
        return _renewed(uow, visit=visit)

    return begin_session(see_other("/account"), visit, await visit.perform(act))


@_asks_again
async def passkey_options(visit: Visit) -> Response:
    """What the browser is to make a passkey from, as JSON, for the page's script."""
    options = await visit.perform(lambda uow: passkeys.registration_options(uow, visit.user, visit.session))
    return Response(options, media_type="application/json")


@_asks_again
async def take_passkey(visit: Visit) -> Response:
    """Take the passkey that the browser has made."""
    name, answer = visit.form.one("name"), visit.form.one("answer")

    def act(uow: UnitOfWork) -> NewSession:
        user = passkeys.register(uow, visit.user, visit.session, name=name, answer=answer)
        return _with_codes(uow, visit, user)

    try:
        begun = await visit.perform(act)
    except Invalid as problem:
        return await _page(visit, problem=problem, status=422)
    return begin_session(see_other("/account/recovery-codes"), visit, begun)


@_asks_again
async def remove_passkey(visit: Visit) -> Response:
    """Forget one passkey."""
    passkey = visit.form.one("passkey")

    def act(uow: UnitOfWork) -> NewSession:
        passkeys.remove(uow, visit.user, passkey, session=visit.session.id)
        return _renewed(uow, visit=visit)

    return begin_session(see_other("/account"), visit, await visit.perform(act))


@_asks_again
async def renew_recovery_codes(visit: Visit) -> Response:
    """Ten new recovery codes; the old ones end."""

    def act(uow: UnitOfWork) -> NewSession:
        return _with_codes(uow, visit, visit.user, renew=True)

    return begin_session(see_other("/account/recovery-codes"), visit, await visit.perform(act))


@requires()
async def show_recovery_codes(visit: Visit) -> Response:
    """The recovery codes, once; a reload leads to the account."""
    notice = await visit.perform(lambda uow: sessions.take_notice(uow, visit.session))
    shown = {} if notice is None else json.loads(notice)
    if "recovery_codes" not in shown:
        return see_other("/account")
    return page(visit, "recovery_codes.html", codes=shown["recovery_codes"], next=shown["next"])


@requires()
async def end_own_session(visit: Visit) -> Response:
    """End one of one's own sessions, this one too."""
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
    """The same session under a new id, with recovery codes to show where the user had none, or wants others."""
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

    return page(
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
    return page(visit, "totp.html", problem=problem, status=status, enrolment=enrolment)
