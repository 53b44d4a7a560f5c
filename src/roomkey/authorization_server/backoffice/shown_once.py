"""A page that shows a new secret once: encrypted in the session by the act that makes it, deleted when it is read."""

import dataclasses
import json
from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from roomkey.authorization_server.backoffice.page import Routes, show
from roomkey.authorization_server.backoffice.session import Visit, see_other
from roomkey.authorization_server.errors import NotFound
from roomkey.authorization_server.identity import sessions
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.secret import Confidential

_PATH: Final = "/shown-once"
ROUTES = Routes()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OneTimeSecret(Confidential):
    """A secret and how it is used.

    Attributes:
        title, label: of the page, and of the secret.
        secret: the secret itself.
        crumbs: labels and URLs of the pages above.
        facts: further names and values.
        snippets: titles and code to copy.
        is_token: True where "Explain a token" can test it.
        on: URL of the next page.
        command: the same act on the command line.
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
    """Perform ``make``, keep its result for the session in the same transaction, and redirect to the page for it."""
    session = visit.session

    def act(uow: UnitOfWork) -> None:
        shown = make(uow)
        fields = {field.name: getattr(shown, field.name) for field in dataclasses.fields(shown)}
        sessions.leave_notice(uow, session, json.dumps(fields).encode())

    await visit.perform(act)
    return see_other(_PATH)


@ROUTES.get(_PATH)
async def shown_once(visit: Visit) -> Response:
    """Show the secret; a second request finds nothing."""
    session = visit.session
    notice = await visit.perform(lambda uow: sessions.take_notice(uow, session))
    fields = json.loads(notice) if notice is not None and notice.startswith(b"{") else None
    if fields is None:
        raise NotFound("The secret was shown once and is not stored. If it is lost, create another one.")
    return await show(visit, "shown_once.html", shown=OneTimeSecret(**fields))
