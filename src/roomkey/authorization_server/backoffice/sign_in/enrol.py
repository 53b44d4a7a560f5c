"""Enrolment of a second factor by users whose roles require one, before they can do anything else."""

import json
from typing import Final

from starlette.responses import Response

from roomkey.authorization_server.backoffice.page import Routes, show_sign_in
from roomkey.authorization_server.backoffice.session import Visit, begin_session, see_other
from roomkey.authorization_server.backoffice.sign_in.entry import next_of
from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.identity import passkeys, recovery_codes, sessions, totp
from roomkey.authorization_server.identity.passkeys import relying_party
from roomkey.authorization_server.identity.sessions import NewSession, Stage, Strength
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.unit_of_work import UnitOfWork

_WRONG_CODE: Final = "The code is wrong. Enter the code that the app shows now, and check the phone's clock."

ROUTES = Routes()


@ROUTES.get("/sign-in/enrol", stage=Stage.ENROLMENT)
async def show(visit: Visit) -> Response:
    """Show the QR code for the authenticator app, and ask for a first code or a passkey."""
    return await _page(visit)


@ROUTES.post("/sign-in/enrol", stage=Stage.ENROLMENT)
async def confirm(visit: Visit) -> Response:
    """Register the authenticator app whose code this is, then show the recovery codes."""
    code, wanted = visit.form.one("code").strip(), next_of(visit)

    def act(uow: UnitOfWork) -> NewSession | None:
        user = totp.confirm(uow, visit.user, code, session=visit.session.id)
        return None if user is None else begin_enrolled(uow, visit, user, wanted)

    begun = await visit.perform(act)
    if begun is None:
        return await _page(visit, problem=Invalid(_WRONG_CODE, field="code"), status=422)
    return begin_session(see_other("/account/recovery-codes"), visit, begun)


@ROUTES.post("/sign-in/enrol/passkey/options", stage=Stage.ENROLMENT)
async def passkey_options(visit: Visit) -> Response:
    """WebAuthn creation options as JSON, for the page's script."""
    options = await visit.perform(lambda uow: passkeys.registration_options(uow, visit.user, visit.session))
    return Response(options, media_type="application/json")


@ROUTES.post("/sign-in/enrol/passkey", stage=Stage.ENROLMENT)
async def take_passkey(visit: Visit) -> Response:
    """Register the passkey that the browser has made, then show the recovery codes."""
    name, answer, wanted = visit.form.one("name"), visit.form.one("answer"), next_of(visit)

    def act(uow: UnitOfWork) -> NewSession:
        user = passkeys.register(uow, visit.user, visit.session, name=name, answer=answer)
        return begin_enrolled(uow, visit, user, wanted)

    try:
        begun = await visit.perform(act)
    except Invalid as problem:
        return await _page(visit, problem=problem, status=422)
    return begin_session(see_other("/account/recovery-codes"), visit, begun)


def begin_enrolled(uow: UnitOfWork, visit: Visit, user: User, wanted: str) -> NewSession:
    """The full session of a user who has just set up a second factor; its next page shows the recovery codes once."""
    codes = recovery_codes.renew(uow, user, session=visit.session.id)
    agent = visit.request.headers.get("user-agent", "")
    begun = sessions.begin(
        uow, user, stage=Stage.FULL, acr=Strength.MULTI_FACTOR, user_agent=agent, before=visit.session
    )
    leave_codes(uow, begun.session, codes, wanted)
    return begun


def leave_codes(uow: UnitOfWork, session: sessions.Session, codes: tuple[str, ...], wanted: str) -> None:
    """Keep ``codes`` for the page that shows them once, before it continues to ``wanted``."""
    sessions.leave_notice(uow, session, json.dumps({"recovery_codes": codes, "next": wanted}).encode())


async def _page(visit: Visit, *, problem: Invalid | None = None, status: int = 200) -> Response:
    enrolment = await visit.view(lambda uow: totp.pending(uow, visit.user))
    return show_sign_in(
        visit,
        "enrol.html",
        problem=problem,
        status=status,
        next=next_of(visit),
        enrolment=enrolment,
        passkeys=relying_party(visit.service.settings) is not None,
    )
