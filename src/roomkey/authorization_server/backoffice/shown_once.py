"""A secret on a page of its own, once: sealed in the session by the act that made it, gone as it is read."""

import dataclasses
import json
from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from roomkey.authorization_server.backoffice.page import page, show
from roomkey.authorization_server.backoffice.session import Visit, see_other
from roomkey.authorization_server.errors import NotFound
from roomkey.authorization_server.identity import sessions
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.secret import Confidential

_PATH: Final = "/shown-once"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OneTimeSecret(Confidential):
    """A secret and what one does with it.

    Attributes:
        title, label: of the page, and of the secret.
        secret: the secret itself.
        crumbs: where the page is.
        facts: what else there is to know, as words and values.
        snippets: titles and texts to copy.
        is_token: whether it can be tested.
        on: where one goes afterwards.
        command: the same in the terminal.
    """

    title: str
    label: str
    secret: str
    crumbs: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...] = ()
    snippets: tuple[tuple[str, str], ...] = ()
    is_token: bool = False
    on: str
    command: str


async def show_once(visit: Visit, make: Callable[[UnitOfWork], OneTimeSecret]) -> Response:
    """Perform ``make``, keep what it returns in the same transaction, and go to the page that shows it."""
    session = visit.session

    def act(uow: UnitOfWork) -> None:
        shown = make(uow)
        fields = {field.name: getattr(shown, field.name) for field in dataclasses.fields(shown)}
        sessions.leave_notice(uow, session, json.dumps(fields).encode())

    await visit.perform(act)
    return see_other(_PATH)


@page()
async def shown_once(visit: Visit) -> Response:
    """The page; whoever asks a second time finds nothing."""
    session = visit.session
    notice = await visit.perform(lambda uow: sessions.take_notice(uow, session))
    fields = json.loads(notice) if notice is not None and notice.startswith(b"{") else None
    if fields is None:
        raise NotFound("A secret was shown here once, and is kept nowhere. If it is lost, make another one.")
    return await show(visit, "shown_once.html", shown=OneTimeSecret(**fields))
