"""Explain a token: it comes in the body of a form, is looked at, and is kept nowhere."""

from starlette.responses import Response

from roomkey.authorization_server.backoffice.page import Routes, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.backoffice.time_words import absolute, relative
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.tokens.explanation import Explanation, explain

_DATES = frozenset({"exp", "iat", "nbf", "auth_time"})
_NAMES = {
    "acr": "how the person signed in",
    "aud": "the API that it is for",
    "client_id": "the app that acts",
    "iss": "who issued it",
    "jti": "its name",
    "roles": "what it is allowed as",
    "scope": "what it allows",
    "status": "its place in the list of revoked tokens",
    "sub": "whom it stands for",
    "tenant": "whose data",
    "username": "the person",
}
ROUTES = Routes()


@ROUTES.get("/explain", Permission.READ)
async def paste(visit: Visit) -> Response:
    """The form."""
    return await show(visit, "explain.html", told=None)


@ROUTES.post("/explain", Permission.READ)
async def answer(visit: Visit) -> Response:
    """What is to be said of the token; the form comes back empty."""
    token = "".join(visit.form.one("token").removeprefix("Bearer ").split())
    told = await visit.view(lambda uow: explain(uow, token))
    members = _members(told, visit.service.now())
    return await show(visit, "explain.html", told=told, members=members, form={})


def _members(told: Explanation, now: int) -> tuple[tuple[str, str, str], ...]:
    """Header and claims with what they mean."""
    return tuple((name, value, _meaning(name, value, now)) for name, value in (*told.header, *told.claims))


def _meaning(name: str, value: str, now: int) -> str:
    if name in _DATES and value.isascii() and value.isdecimal() and len(value) <= 12:
        return f"{relative(int(value), now)}, {absolute(int(value))}"
    return _NAMES.get(name, "")
