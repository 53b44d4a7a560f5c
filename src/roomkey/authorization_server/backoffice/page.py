"""Pages from templates in their layout, confirmations, error pages, and the table of routes."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from roomkey.authorization_server.backoffice import static_files, time_words
from roomkey.authorization_server.backoffice.forms import Confirmation
from roomkey.authorization_server.backoffice.layout import Layout
from roomkey.authorization_server.backoffice.lookups import pending_requests
from roomkey.authorization_server.backoffice.session import Page, Visit, requires, secured, see_other
from roomkey.authorization_server.commands.command import Command, commands_of
from roomkey.authorization_server.commands.form import FormField, form_fields
from roomkey.authorization_server.commands.terminal import in_terminal
from roomkey.authorization_server.errors import Invalid, ServiceError
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.permissions import Permission

Values = dict[str, Any]  # variables of a template, by name
SCHEMES: Final = frozenset({"light", "dark"})
_REFILLED: Final = ("username", "name")  # fields of a rejected sign-in form that are shown again; never a secret
_DONE: Final = {
    "approved": "Approved. The requester can collect the token now.",
    "asked": "Requested. You collect the token here as soon as it is approved.",
    "changed": "Saved.",
    "created": "Created.",
    "disabled": "Disabled.",
    "enabled": "Enabled.",
    "ended": "Signed out.",
    "refused": "Denied.",
    "revoked": "Revoked.",
    "rotated": "Rotated.",
    "withdrawn": "Withdrawn.",
}
_TITLES: Final = {
    403: "Not allowed",
    404: "Not found",
    409: "Not possible",
    422: "Invalid input",
    503: "Temporarily unavailable",
}


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "absolute": time_words.absolute,
        "duration": time_words.duration,
        "machine": time_words.machine,
        "relative": time_words.relative,
        "words": str.split,
    }
    made.globals |= {"static": static_files.url_of, "terminal": _terminal, "form_field": _form_field}
    return made


def _command(words: str) -> type[Command[Any]]:
    noun, _, verb = words.partition(" ")
    return next(kind for kind in commands_of(noun) if kind.declaration.verb == verb)


def _terminal(words: str, **values: Any) -> str:
    """The command line that equals a page: ``terminal("user show", user="alice")``."""
    return in_terminal(_command(words), **values)


def _form_field(words: str, name: str) -> FormField:
    """A field of a command, for the macros of forms."""
    return form_fields(_command(words), name)[0]


ENVIRONMENT: Final = _environment()


class Routes(list[BaseRoute]):
    """Routes in the order in which they are matched; an endpoint's ``access`` says who may see the page.

    ROUTES = Routes()

    @ROUTES.get("/keys", Permission.READ)
    async def keys(visit: Visit) -> Response: ...
    """

    def get(self, path: str, *permissions: Permission, stage: Stage | None = Stage.FULL) -> Callable[[Page], Page]:
        """Enter a page for users who have one of ``permissions``; its ServiceErrors become error pages."""
        return self._add("GET", path, permissions, stage)

    def post(self, path: str, *permissions: Permission, stage: Stage | None = Stage.FULL) -> Callable[[Page], Page]:
        """Enter an act for users who have one of ``permissions``."""
        return self._add("POST", path, permissions, stage)

    def _add(
        self, method: str, path: str, permissions: tuple[Permission, ...], stage: Stage | None
    ) -> Callable[[Page], Page]:
        def add(page: Page) -> Page:
            @functools.wraps(page)
            async def with_error_page(visit: Visit) -> Response:
                try:
                    return await page(visit)
                except ServiceError as error:
                    return _error_page(_layout(visit), error)

            self.append(Route(path, requires(*permissions, stage=stage)(with_error_page), methods=[method]))
            return page

        return add


async def show(
    visit: Visit, template: str, *, refused: ServiceError | None = None, status: int = 200, **values: Any
) -> Response:
    """The page that ``template`` makes of ``values``; where a form was ``refused``, with its values and the reason."""
    toast = _DONE.get(visit.request.query_params.get("done", ""), "")
    layout = _layout(visit, toast=toast, pending=await visit.view(pending_requests))
    given = {"form": dict(visit.form.fields), "next_page": _next_page(visit)} | values
    return _render(template, layout, visit.service.now(), refused, status, given)


def show_sign_in(
    visit: Visit, template: str, *, status: int = 200, problem: Invalid | str | None = None, **values: Any
) -> Response:
    """The page ``sign_in/<template>``; a ``problem`` is shown at its field, or above the form."""
    error = Invalid(problem) if isinstance(problem, str) else problem
    given = {"form": {name: visit.form.one(name) for name in _REFILLED}} | values
    response = _render(f"sign_in/{template}", _layout(visit), visit.service.now(), error, status, given)
    response.status_code = status
    return response


async def ask(visit: Visit, question: Confirmation, *, refused: ServiceError | None = None) -> Response:
    """The page that says what breaks; its form is posted to the same URL."""
    return await show(visit, "confirm.html", refused=refused, question=question)


def done(path: str, word: str) -> Response:
    """Redirect to ``path``, which shows in a toast what was done."""
    return see_other(f"{path}{'&' if '?' in path else '?'}done={word}")


async def answer_error(request: Request, error: Exception) -> Response:
    """The page for a ServiceError raised before the page itself; for the application's exception handlers."""
    if not isinstance(error, ServiceError):
        raise error
    return secured(_error_page(Layout(None, scheme=_scheme(request)), error), request.app.state.service.settings)


def _layout(visit: Visit, *, toast: str = "", pending: int = 0) -> Layout:
    complete = visit.signed_in is not None and visit.session.stage is Stage.FULL
    actor = visit.actor if complete else None
    return Layout(actor, visit.csrf, visit.request.scope["path"], _scheme(visit.request), toast, pending)


def _render(
    template: str, layout: Layout, now: int, error: ServiceError | None, status: int, values: Values
) -> Response:
    errors = {} if error is None else {(error.field or "") if isinstance(error, Invalid) else "": str(error)}
    html = ENVIRONMENT.get_template(template).render({"layout": layout, "now": now, "errors": errors} | values)
    return HTMLResponse(html, status if error is None else error.status)


def _error_page(layout: Layout, error: ServiceError) -> Response:
    title = _TITLES.get(error.status, "Failed")
    values = {"title": title, "text": str(error), "status": error.status, "form": {}}
    return _render("error.html", layout, 0, None, error.status, values)


def _next_page(visit: Visit) -> Callable[[str], str]:
    """A function that gives the URL of a list's page ``after`` a cursor, with the same filters."""
    query = visit.request.query_params
    kept = [(name, value) for name, value in query.multi_items() if name not in {"after", "done"}]
    return lambda after: f"{visit.request.scope['path']}?{urlencode([*kept, ('after', after)])}"


def _scheme(request: Request) -> str:
    """``light`` or ``dark`` where the user has chosen, else empty."""
    chosen = request.cookies.get("scheme", "")
    return chosen if chosen in SCHEMES else ""
