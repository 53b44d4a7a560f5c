"""All pages of the backoffice; an endpoint's ``access`` says who may see it."""

from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from roomkey.authorization_server.backoffice import shown_once, sign_in, static_files
from roomkey.authorization_server.backoffice.page import SCHEMES, Routes
from roomkey.authorization_server.backoffice.pages import (
    apis,
    app_tokens,
    audit,
    explain,
    home,
    keys,
    service_accounts,
    settings,
    token_requests,
    tokens,
    users,
)
from roomkey.authorization_server.backoffice.session import Visit, local_path, see_other

_A_YEAR: Final = 366 * 86_400  # seconds
_OWN = Routes()


@_OWN.post("/scheme")
async def choose_scheme(visit: Visit) -> Response:
    """Remember light or dark in this browser."""
    response = see_other(local_path(visit.form.one("to")))
    if visit.form.one("scheme") in SCHEMES:
        secure = visit.service.settings.issuer.startswith("https://")
        response.set_cookie(
            "scheme", visit.form.one("scheme"), max_age=_A_YEAR, secure=secure, httponly=True, samesite="lax"
        )
    return response


def _all() -> tuple[BaseRoute, ...]:
    nouns = (home, service_accounts, app_tokens, token_requests, apis, keys, users, tokens, audit, explain, settings)
    pages = [*_OWN, *shown_once.ROUTES, *sign_in.ROUTES, *(route for noun in nouns for route in noun.ROUTES)]
    pages.sort(key=lambda route: isinstance(route, Route) and "{" in route.path)  # fixed paths are matched first
    return Route("/static/{digest}/{name}", static_files.serve, methods=["GET"]), *pages


ROUTES: Final = _all()
