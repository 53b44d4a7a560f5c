"""The pages of the sign-in, from their templates."""

from typing import Any, Final

from starlette.responses import HTMLResponse, Response

from roomkey.authorization_server.backoffice.frame import Frame
from roomkey.authorization_server.backoffice.page import scheme_of
from roomkey.authorization_server.backoffice.rendering import render
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.identity.sessions import Stage

_SHOWN_AGAIN: Final = ("username", "name")  # of a form that was refused; never what is secret


def page(
    visit: Visit, template: str, *, status: int = 200, problem: Invalid | str | None = None, **values: Any
) -> Response:
    """The page ``sign_in/<template>``; a ``problem`` is shown at its field, or above the form."""
    errors = {}
    if isinstance(problem, Invalid):
        errors = {problem.field or "": str(problem)}
    elif problem:
        errors = {"": problem}
    known = visit.signed_in is not None and visit.session.stage is Stage.FULL
    shared = {
        "frame": Frame(
            visit.actor if known else None,
            csrf=visit.csrf,
            address=visit.request.scope["path"],
            scheme=scheme_of(visit.request),
        ),
        "errors": errors,
        "form": {name: visit.form.one(name) for name in _SHOWN_AGAIN},
        "now": visit.service.now(),
    }
    return HTMLResponse(render(f"sign_in/{template}", shared | values), status_code=status)
