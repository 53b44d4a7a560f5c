"""A person's browser at the auth service's backoffice: it keeps cookies, fills in forms, and goes where it is led."""

import html
import re
from typing import Final, Self

import httpx2

from roomkey.cli.demo.auth_service import AUDIENCE, SCOPE, Login

_CSRF: Final = re.compile(r'name="csrf" value="([^"]+)"')
_ONCE: Final = re.compile(r'<output id="secret"[^>]*>([^<]+)</output>')
_MONTH: Final = 30 * 86_400
_PATIENCE: Final = 10.0


class Browser:
    """One person's browser, without scripts; a context manager. Every method blocks and raises LookupError where the
    page is not the one that was expected.
    """

    def __init__(self, origin: str) -> None:
        self._client = httpx2.Client(base_url=origin, trust_env=False, timeout=_PATIENCE)

    def sign_in(self, login: Login) -> None:
        """Sign in with name and password."""
        page = self._client.get("/sign-in")
        form = {"csrf": _found(_CSRF, page), "username": login.username, "password": login.password}
        entered = self._client.post("/sign-in", data=form)
        if entered.status_code != 303:
            raise LookupError("the sign-in failed")

    def open_request_form(self, client_id: str) -> tuple[str, dict[str, str]]:
        """Open the form by which an app token is asked for: where it is sent, and what it is filled in with."""
        path = f"/token-requests/~new?for={client_id}%20{AUDIENCE}"
        page = self._client.get(path)
        filled_in = {
            "csrf": _found(_CSRF, page),
            "scopes": SCOPE,
            "lifetime": f"{_MONTH}",
            "token_format": "jwt",
            "note": "roomkey demo",
        }
        return path, filled_in

    def ask(self, form: tuple[str, dict[str, str]]) -> str:
        """Send the form and follow to the page that shows the new token, once."""
        path, fields = form
        asked = self._client.post(path, data=fields)
        return _found(_ONCE, self._client.get(asked.headers.get("location", "/")))

    def shows_no_more(self) -> bool:
        """Whether the page that showed the token has forgotten it."""
        return self._client.get("/shown-once").status_code == 404

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._client.close()


def _found(pattern: re.Pattern[str], page: httpx2.Response) -> str:
    found = pattern.search(page.text)
    if found is None:
        raise LookupError(f"the page has the status {page.status_code} and not what was looked for")
    return html.unescape(found[1])
