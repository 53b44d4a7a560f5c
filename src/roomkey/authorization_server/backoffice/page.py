"""How a page answers: with a template in its frame, with a question before something breaks, or by going on."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from roomkey.authorization_server.backoffice.frame import Frame
from roomkey.authorization_server.backoffice.rendering import render
from roomkey.authorization_server.backoffice.session import Endpoint, Page, Visit, requires, secured, see_other
from roomkey.authorization_server.backoffice.waiting import waiting
from roomkey.authorization_server.errors import Invalid, ServiceError
from roomkey.authorization_server.permissions import Permission

Values = dict[str, Any]  # what a template is given, by name
SCHEMES: Final = frozenset({"light", "dark"})
_DONE: Final = {
    "approved": "Approved. The token waits for whoever asked.",
    "asked": "Asked. You collect the token here as soon as somebody approves.",
    "changed": "Saved.",
    "created": "Created.",
    "disabled": "Disabled.",
    "enabled": "Enabled.",
    "ended": "Ended.",
    "refused": "Refused.",
    "revoked": "Revoked.",
    "rotated": "Rotated.",
    "withdrawn": "Withdrawn.",
}
_TITLES: Final = {
    403: "That is not yours to do",
    404: "There is no such thing here",
    409: "That does not work any more",
    422: "That cannot be taken",
    503: "Not right now",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What is asked before something is done that breaks something.

    Attributes:
        title: the question.
        crumbs: where the page is: words and addresses.
        breaks: what happens, in sentences.
        label: of the button that does it.
        back: where one goes who does not.
        command: the same in the terminal.
        danger: whether there is no way back.
        choice: a choice to be made with it.
        note: the name and label of one optional field to be filled in.
    """

    title: str
    crumbs: tuple[tuple[str, str], ...]
    breaks: tuple[str, ...]
    label: str
    back: str
    command: str
    danger: bool = True
    choice: "Choice | None" = None
    note: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several, named ``name`` in the form; ``options`` are values, words and sentences."""

    name: str
    label: str
    hint: str
    options: tuple[tuple[str, str, str], ...]
    chosen: str


def page(*permissions: Permission) -> Callable[[Page], Endpoint]:
    """Make a Starlette endpoint of a page for whoever has one of ``permissions``; its refusals are pages, too."""

    def made(own: Page) -> Endpoint:
        @functools.wraps(own)
        async def answered(visit: Visit) -> Response:
            try:
                return await own(visit)
            except ServiceError as error:
                return await _refusal(visit, error)

        return requires(*permissions)(answered)

    return made


async def show(
    visit: Visit, template: str, *, refused: ServiceError | None = None, status: int = 200, **values: Any
) -> Response:
    """The page that ``template`` makes of ``values``; with what was posted and why, where that was ``refused``."""
    frame = Frame(
        visit.actor,
        csrf=visit.csrf,
        address=visit.request.scope["path"],
        scheme=scheme_of(visit.request),
        toast=_DONE.get(visit.request.query_params.get("done", ""), ""),
        waiting=await visit.view(waiting),
    )
    errors = {} if refused is None else {_field_of(refused): str(refused)}
    form = dict(visit.form.fields)
    given = {"frame": frame, "now": visit.service.now(), "form": form, "errors": errors, "next_page": _next_page(visit)}
    return HTMLResponse(render(template, given | values), status if refused is None else refused.status)


async def ask(visit: Visit, question: Confirmation, *, refused: ServiceError | None = None) -> Response:
    """The page that says what breaks, whose form is posted to its own address."""
    return await show(visit, "confirm.html", refused=refused, question=question)


def done(path: str, word: str) -> Response:
    """Go on to ``path``, which says in a sentence what was done."""
    return see_other(f"{path}{'&' if '?' in path else '?'}done={word}")


def scheme_of(request: Request) -> str:
    """``light`` or ``dark`` where the person has chosen, else empty."""
    chosen = request.cookies.get("scheme", "")
    return chosen if chosen in SCHEMES else ""


async def answer_error(request: Request, error: Exception) -> Response:
    """The page for a ServiceError that came before the page itself; for the application's exception handlers."""
    if not isinstance(error, ServiceError):
        raise error
    frame = Frame(None, scheme=scheme_of(request))
    return secured(_error_page(frame, error), request.app.state.service.settings)


async def _refusal(visit: Visit, error: ServiceError) -> Response:
    return _error_page(Frame(visit.actor, visit.csrf, visit.request.scope["path"], scheme_of(visit.request)), error)


def _error_page(frame: Frame, error: ServiceError) -> Response:
    title = _TITLES.get(error.status, "That did not work")
    values = {"frame": frame, "now": 0, "form": {}, "errors": {}, "title": title, "text": str(error)}
    return HTMLResponse(render("error.html", values | {"status": error.status}), error.status)


def _next_page(visit: Visit) -> Callable[[str], str]:
    """The address of a list's page that begins ``after`` a cursor, with the same filters."""
    query = visit.request.query_params
    kept = [(name, value) for name, value in query.multi_items() if name not in {"after", "done"}]
    return lambda after: f"{visit.request.scope['path']}?{urlencode([*kept, ('after', after)])}"


def _field_of(refused: ServiceError) -> str:
    return (refused.field or "") if isinstance(refused, Invalid) else ""
