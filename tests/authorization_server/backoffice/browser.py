"""A browser without scripts: it keeps cookies, fills in the forms that a page has, and goes where it is led."""

import asyncio
import html
import re
from types import TracebackType
from typing import Final, Self

import httpx2
from starlette.applications import Starlette

ISSUER: Final = "https://auth.example"
_CSRF: Final = re.compile(r'name="csrf" value="([^"]+)"')
_NEXT: Final = re.compile(r'name="next" value="([^"]*)"')


class Browser:
    """One person's browser, at ``address``; without an ``app`` it asks the service at ``issuer`` over the network."""

    def __init__(self, app: Starlette | None = None, address: str = "192.0.2.1", issuer: str = ISSUER) -> None:
        self._runner = asyncio.Runner()
        transport = None if app is None else httpx2.ASGITransport(app=app, client=(address, 40_000))
        self._client = httpx2.AsyncClient(transport=transport, base_url=issuer, headers={"user-agent": "a browser"})
        self.page: httpx2.Response = httpx2.Response(200)

    def get(self, path: str, **headers: str) -> httpx2.Response:
        """Open a page; redirects are not followed."""
        self.page = self._runner.run(self._client.get(path, headers=headers))
        return self.page

    def post(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> httpx2.Response:
        """Send a form with just these fields."""
        self.page = self._runner.run(self._client.post(path, data=fields or {}, headers=headers))
        return self.page

    def submit(self, path: str, **fields: str) -> httpx2.Response:
        """Fill in a form of the page that is open, with its hidden fields, and send it as browsers do."""
        hidden = {"csrf": self.csrf}
        if found := _NEXT.search(self.page.text):
            hidden["next"] = html.unescape(found[1])
        return self.post(path, hidden | fields, **{"sec-fetch-site": "same-origin"})

    def follow(self) -> httpx2.Response:
        """Go where the last answer led."""
        assert self.page.status_code == 303, f"{self.page.status_code} {self.page.text}"
        return self.get(self.page.headers["location"])

    @property
    def csrf(self) -> str:
        """The proof on the page that is open."""
        found = _CSRF.search(self.page.text)
        assert found is not None, self.page.text
        return html.unescape(found[1])

    @property
    def cookie(self) -> str:
        """The session cookie."""
        return self._client.cookies.get("__Host-roomkey") or ""

    @cookie.setter
    def cookie(self, value: str) -> None:
        self._client.cookies.delete("__Host-roomkey")
        self._client.cookies.set("__Host-roomkey", value, domain="auth.example")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()
