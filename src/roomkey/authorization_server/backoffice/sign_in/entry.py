"""Sign-in by password, then one-time code, passkey or recovery code; and sign-out."""

import functools
import re
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from roomkey.authorization_server.backoffice.page import Routes, show_sign_in
from roomkey.authorization_server.backoffice.session import (
    Visit,
    begin_session,
    end_session,
    local_path,
    see_other,
)
from roomkey.authorization_server.identity import passkeys, recovery_codes, second_factors, sessions, throttle, totp
from roomkey.authorization_server.identity.password_login import SignInAttempt, sign_in
from roomkey.authorization_server.identity.sessions import NewSession, Stage, Strength
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.unit_of_work import UnitOfWork

_WRONG: Final = "The username or the password is wrong, or there were too many attempts. Try again in a few minutes."
_WRONG_CODE: Final = "The code is wrong, expired or already used."
_ONE_TIME: Final = re.compile(r"[0-9]{6}", re.ASCII)

ROUTES = Routes()


@ROUTES.get("/sign-in", stage=None)
async def show(visit: Visit) -> Response:
    """Ask for username and password; a user who is signed in already continues."""
    wanted = next_of(visit)
    if visit.signed_in is not None:
        return see_other(next_step(visit.session.stage, wanted))
    return show_sign_in(visit, "sign_in.html", next=wanted)


@ROUTES.post("/sign-in", stage=None)
async def enter(visit: Visit) -> Response:
    """Check username and password; the session gets a new id."""
    wanted = next_of(visit)
    attempt = SignInAttempt(visit.form.one("username"), visit.form.one("password"), visit.address)
    begun = await sign_in(visit.service, visit.hashing, attempt, functools.partial(_begin, visit=visit))
    if begun is None:
        return show_sign_in(visit, "sign_in.html", status=401, problem=_WRONG, next=wanted)
    return begin_session(see_other(next_step(begun.session.stage, wanted)), visit, begun)


@ROUTES.get("/sign-in/second-factor", stage=Stage.PASSWORD)
async def show_second_factor(visit: Visit) -> Response:
    """Ask for a code or a passkey."""
    return _second_factor(visit)


@ROUTES.post("/sign-in/second-factor", stage=Stage.PASSWORD)
async def enter_code(visit: Visit) -> Response:
    """Check a one-time code or a recovery code; the fifth wrong one ends the session."""
    return await _finish(visit, await visit.perform(functools.partial(_check_code, visit=visit)))


@ROUTES.post("/sign-in/passkey/options", stage=Stage.PASSWORD)
async def passkey_options(visit: Visit) -> Response:
    """WebAuthn request options as JSON, for the page's script."""
    options = await visit.perform(lambda uow: passkeys.authentication_options(uow, visit.user, visit.session))
    return Response(options, media_type="application/json")


@ROUTES.post("/sign-in/passkey", stage=Stage.PASSWORD)
async def enter_passkey(visit: Visit) -> Response:
    """Check a passkey's assertion."""
    answer = visit.form.one("answer")

    def check(uow: UnitOfWork) -> NewSession | None:
        right = passkeys.matches(uow, visit.user, visit.session, answer)
        return _begin_full(uow, visit) if right else None

    return await _finish(visit, await visit.perform(check))


@ROUTES.post("/sign-out", stage=None)
async def leave(visit: Visit) -> Response:
    """Sign out at any stage; ``next`` is kept for the next sign-in."""
    if visit.signed_in is not None:
        await visit.perform(lambda uow: sessions.end(uow, visit.session))
    wanted = next_of(visit)
    return end_session(see_other("/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted, safe='/')}"), visit)


def next_of(visit: Visit) -> str:
    """The path to continue to afterwards; a path of this service alone."""
    return local_path(visit.form.one("next") or visit.request.query_params.get("next", ""))


def next_step(stage: Stage, wanted: str) -> str:
    """The next page for a session at ``stage``, before ``wanted``."""
    places = {Stage.PASSWORD: "/sign-in/second-factor", Stage.ENROLMENT: "/sign-in/enrol"}
    return f"{places[stage]}?next={quote(wanted, safe='/')}" if stage in places else wanted


def _begin(uow: UnitOfWork, user: User, *, visit: Visit) -> NewSession:
    if visit.signed_in is not None:
        sessions.end(uow, visit.session)
    stage = Stage.PASSWORD if user.has_second_factor else Stage.ENROLMENT if user.must_enrol else Stage.FULL
    if stage is Stage.ENROLMENT:
        totp.begin(uow, user)
    acr = Strength.PASSWORD if stage is Stage.FULL else ""
    agent = visit.request.headers.get("user-agent", "")
    return sessions.begin(uow, user, stage=stage, acr=acr, user_agent=agent, password_asked=True)


def _check_code(uow: UnitOfWork, *, visit: Visit) -> NewSession | None:
    user, code = visit.user, visit.form.one("code").strip()
    if not second_factors.is_blocked(uow, user):
        check = totp.matches if _ONE_TIME.fullmatch(code) else recovery_codes.matches
        if check(uow, user, code):
            throttle.succeeded(uow, second_factors.counted(user))
            return _begin_full(uow, visit)
        if not throttle.failed(uow, second_factors.counted(user)):
            return None
    sessions.end(uow, visit.session)
    return None


def _begin_full(uow: UnitOfWork, visit: Visit) -> NewSession:
    agent = visit.request.headers.get("user-agent", "")
    return sessions.begin(
        uow, visit.user, stage=Stage.FULL, acr=Strength.MULTI_FACTOR, user_agent=agent, before=visit.session
    )


async def _finish(visit: Visit, begun: NewSession | None) -> Response:
    wanted = next_of(visit)
    if begun is not None:
        return begin_session(see_other(wanted), visit, begun)
    if await visit.view(lambda uow: sessions.look_up(uow, visit.cookie)) is None:
        return end_session(show_sign_in(visit, "sign_in.html", status=401, problem=_WRONG, next=wanted), visit)
    return _second_factor(visit, problem=_WRONG_CODE, status=401)


def _second_factor(visit: Visit, *, problem: str | None = None, status: int = 200) -> Response:
    return show_sign_in(
        visit,
        "second_factor.html",
        problem=problem,
        status=status,
        next=next_of(visit),
        has_totp=visit.user.has_totp,
        has_passkeys=visit.user.passkeys > 0,
    )
