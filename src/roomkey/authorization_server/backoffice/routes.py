"""Every page of the backoffice: where it is, and by its endpoint's ``access`` whom it lets in."""

from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from roomkey.authorization_server.backoffice import sign_in, static_files
from roomkey.authorization_server.backoffice.page import SCHEMES
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
from roomkey.authorization_server.backoffice.session import Visit, local_path, requires, see_other
from roomkey.authorization_server.backoffice.shown_once import shown_once

_A_YEAR: Final = 366 * 86_400


@requires()
async def choose_scheme(visit: Visit) -> Response:
    """Remember light or dark in this browser."""
    response = see_other(local_path(visit.form.one("to")))
    if visit.form.one("scheme") in SCHEMES:
        secure = visit.service.settings.issuer.startswith("https://")
        response.set_cookie(
            "scheme", visit.form.one("scheme"), max_age=_A_YEAR, secure=secure, httponly=True, samesite="lax"
        )
    return response


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/static/{digest}/{name}", static_files.serve, methods=["GET"]),
    Route("/scheme", choose_scheme, methods=["POST"]),
    Route("/shown-once", shown_once, methods=["GET"]),
    *sign_in.ROUTES,
    *home.ROUTES,
    *service_accounts.ROUTES,
    *app_tokens.ROUTES,
    *token_requests.ROUTES,
    *apis.ROUTES,
    *keys.ROUTES,
    *users.ROUTES,
    *tokens.ROUTES,
    *audit.ROUTES,
    *explain.ROUTES,
    *settings.ROUTES,
)
