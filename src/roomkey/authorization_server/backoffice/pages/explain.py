"""Explain a token: it is sent in a form, checked, and neither stored nor logged."""

from starlette.responses import Response

from roomkey.authorization_server.backoffice.page import Routes, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.backoffice.time_words import absolute, relative
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.tokens.explanation import Explanation, explain

_DATES = frozenset({"exp", "iat", "nbf", "auth_time"})
_NAMES = {
    "acr": "how the user signed in",
    "aud": "the API that it is for",
    "client_id": "the client",
    "iss": "who issued it",
    "jti": "its id",
    "roles": "roles of the subject",
    "scope": "what it allows",
    "status": "its place in the list of revoked tokens",
    "sub": "the user or client that it represents",
    "tenant": "tenant of the subject",
    "username": "the user",
}
ROUTES = Routes()


@ROUTES.get("/explain", Permission.READ)
async def paste(visit: Visit) -> Response:
    """Show the form."""
    return await show(visit, "explain.html", explanation=None)


@ROUTES.post("/explain", Permission.READ)
async def answer(visit: Visit) -> Response:
    """Explain the token; the form comes back empty."""
    token = "".join(visit.form.one("token").removeprefix("Bearer ").split())
    explanation = await visit.view(lambda uow: explain(uow, token))
    members = _members(explanation, visit.service.now())
    return await show(visit, "explain.html", explanation=explanation, members=members, form={})


def _members(explanation: Explanation, now: int) -> tuple[tuple[str, str, str], ...]:
    """Header and claims with what they mean."""
    return tuple(
        (name, value, _meaning(name, value, now)) for name, value in (*explanation.header, *explanation.claims)
    )


def _meaning(name: str, value: str, now: int) -> str:
    if name in _DATES and value.isascii() and value.isdecimal() and len(value) <= 12:
        return f"{relative(int(value), now)}, {absolute(int(value))}"
    return _NAMES.get(name, "")
