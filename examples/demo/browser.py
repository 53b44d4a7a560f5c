"""A browser at the auth service's backoffice: it keeps cookies, fills in forms, and follows redirects."""

import html
import re
from typing import Final, Self

import httpx2
from examples.demo.auth_service import AUDIENCE, SCOPE, User

_CSRF: Final = re.compile(r'name="csrf" value="([^"]+)"')
_ONCE: Final = re.compile(r'<output id="secret"[^>]*>([^<]+)</output>')
_MONTH: Final = 30 * 86_400
_PATIENCE: Final = 10.0


class Browser:
    """The browser of one user, without scripts; a context manager.

    Every method blocks and raises LookupError where the page is not the expected one.
    """

    def __init__(self, origin: str) -> None:
        self._client = httpx2.Client(base_url=origin, trust_env=False, timeout=_PATIENCE)

    def sign_in(self, user: User) -> None:
        """Sign in with name and password."""
        page = self._client.get("/sign-in")
        form = {"csrf": _find(_CSRF, page), "username": user.username, "password": user.password}
        entered = self._client.post("/sign-in", data=form)
        if entered.status_code != 303:
            raise LookupError("the sign-in failed")

    def open_request_form(self, client_id: str) -> tuple[str, dict[str, str]]:
        """Open the form for an app token: its action and its fields."""
        path = f"/token-requests/~new?for={client_id}%20{AUDIENCE}"
        page = self._client.get(path)
        filled_in = {
            "csrf": _find(_CSRF, page),
            "scopes": SCOPE,
            "lifetime": f"{_MONTH}",
            "token_format": "jwt",
            "note": "roomkey demo",
        }
        return path, filled_in

    def send_request(self, form: tuple[str, dict[str, str]]) -> str:
        """Send the form and return the new token from the page that shows it once."""
        path, fields = form
        asked = self._client.post(path, data=fields)
        return _find(_ONCE, self._client.get(asked.headers.get("location", "/")))

    def token_page_is_gone(self) -> bool:
        """True where the page that showed the token shows it no more."""
        return self._client.get("/shown-once").status_code == 404

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._client.close()


def _find(pattern: re.Pattern[str], page: httpx2.Response) -> str:
    found = pattern.search(page.text)
    if found is None:
        raise LookupError(f"the page has the status {page.status_code} and not the expected content")
    return html.unescape(found[1])
