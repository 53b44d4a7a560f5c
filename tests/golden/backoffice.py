"""Act as a user in the backoffice, over HTTP alone, for what has no command: to request an app token."""

import re

import httpx2


def request_token(issuer: str, user: str, password: str, *, account: str, api: str, scope: str, note: str) -> None:
    """Sign in and send the form "Request a token"."""
    choice = {"for": f"{account} {api}"}
    with httpx2.Client(base_url=issuer) as browser:
        csrf = _csrf(browser.get("/sign-in"))
        signed_in = browser.post("/sign-in", data={"csrf": csrf, "username": user, "password": password})
        assert signed_in.status_code == 303, signed_in.text
        csrf = _csrf(browser.get("/token-requests/~new", params=choice))
        form = {"csrf": csrf, "scopes": scope, "lifetime": "86400", "token_format": "jwt", "note": note}
        sent = browser.post("/token-requests/~new", params=choice, data=form)
        assert sent.status_code == 303, sent.text


def _csrf(page: httpx2.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]
