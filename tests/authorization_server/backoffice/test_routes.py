"""Every route of the backoffice, walked: whom it lets in, what it asks of a form, and whose things it shows."""

import re
from collections.abc import Iterator

import pytest
from starlette.routing import Route
from tests.authorization_server.backoffice.backoffice_service import Backoffice, Known, fill

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import CreateApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.service_accounts.commands import CreateServiceAccount
from roomkey.authorization_server.accounts.tenants.commands import CreateTenant
from roomkey.authorization_server.backoffice.routes import ROUTES
from roomkey.authorization_server.backoffice.session import PageAccess
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.permissions import Role, permissions_of

pytestmark = pytest.mark.slow

_STATIC = "/static/{digest}/{name}"
_FOR_ALL = {"/sign-in", "/setup", "/sign-out"}
_ROLES = [frozenset[str](), *(frozenset({role.value}) for role in Role)]


def _routes() -> Iterator[tuple[str, str, PageAccess]]:
    for route in ROUTES:
        assert isinstance(route, Route)
        if route.path != _STATIC:
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, route.path, route.endpoint.access  # type: ignore[attr-defined]


EVERY = list(_routes())
OF_PEOPLE = [(method, path, lets) for method, path, lets in EVERY if lets.stage is Stage.FULL]
POSTS = [path for method, path, _ in EVERY if method == "POST"]


def _filled_in(path: str, known: Known) -> str:
    names = {
        "client_id": "orders-api" if path.startswith("/apis") else "reports",
        "token": known.token,
        "token_request": known.request,
        "kid": known.key,
        "user": known.carol.id,
        "session": "ses_none",
        "family": known.family,
    }
    return re.sub(r"{(\w+)}", lambda found: names[found[1]], path)


def test_every_route_says_whom_it_lets_in():  # auth service 44
    anybody = {path for _, path, lets in EVERY if lets.stage is None}
    assert anybody == _FOR_ALL
    everybody = {path for _, path, lets in OF_PEOPLE if not lets.permissions}
    assert {path for path in everybody if path.partition("/account")[0]} == {"/", "/scheme", "/shown-once"}
    assert len(EVERY) > 80


def test_nobody_comes_in_without_a_session(backoffice: Backoffice):  # auth service 44
    browser = backoffice.browser()
    browser.get("/sign-in")
    proof = browser.csrf
    for method, path, _ in OF_PEOPLE:
        where = re.sub(r"{\w+}", "reports", path)
        page = browser.get(where) if method == "GET" else browser.post(where, {"csrf": proof})
        assert (page.status_code, page.headers["location"].partition("?")[0]) == (303, "/sign-in"), (method, where)


@pytest.mark.parametrize("roles", _ROLES, ids=lambda roles: next(iter(roles), "none"))
def test_every_route_refuses_whoever_lacks_its_permission(
    backoffice: Backoffice, roles: frozenset[str]
):  # auth service 44
    known = fill(backoffice)
    browser = backoffice.browser(backoffice.user("mallory", *roles))
    before = len(backoffice.events("app_token.revoked"))
    walked = 0
    for method, path, lets in OF_PEOPLE:
        if not lets.permissions or permissions_of(roles) & set(lets.permissions):
            continue
        walked += 1
        browser.get("/account")
        where = _filled_in(path, known)
        page = browser.get(where) if method == "GET" else browser.submit(where)
        assert page.status_code == 403, (method, where, page.status_code)
        assert "ask an administrator" in page.text
    assert (walked == 0) if Role.ADMINISTRATOR in roles else (walked > 20)
    assert len(backoffice.events("app_token.revoked")) == before


def test_what_belongs_to_another_tenant_is_not_there(backoffice: Backoffice, known: Known):  # auth service 44
    backoffice.act(CreateTenant, name="globex")
    scopes = [Scope("stock:read")]
    backoffice.act(CreateApi, audience="stock-api", tenant="globex", scopes=scopes)
    access = [Access("stock-api", ("stock:read",))]
    backoffice.act(CreateServiceAccount, client_id="stock-sync", tenant="globex", apis=access)
    browser = backoffice.browser(backoffice.user("acme-boss", *Role, tenant="acme"))
    walked = 0
    for method, path, _ in OF_PEOPLE:
        if "{" not in path or "{kid}" in path:
            continue  # keys are those of all tenants, and only administrators of all of them change them
        where = _filled_in(path, known).replace("orders-api", "stock-api").replace("/reports", "/stock-sync")
        browser.get("/account")
        fields = {"scope": "stock-api stock:read", "overlap": "0", "decision": "approve", "password": "a good long one"}
        page = browser.get(where) if method == "GET" else browser.submit(where, **fields, **_API_FIELDS)
        assert page.status_code == 404, (method, where, page.status_code, page.text)
        walked += 1
    assert walked > 30


_API_FIELDS = {"scopes": "a", "token_lifetime": "300", "longest_app_token": "3600", "algorithm": "ES256"}


def test_a_tenant_changes_nothing_that_is_everybodys(backoffice: Backoffice, known: Known):  # auth service 44
    browser = backoffice.browser(backoffice.user("acme-boss", *Role, tenant="acme"))
    for path in ("/apis/orders-api/disable", "/keys/rotate", f"/keys/{known.key}/withdraw"):
        browser.get("/account")
        assert browser.submit(path, rotation="ES256 now").status_code == 403, path


def test_no_form_is_taken_without_its_proof(backoffice: Backoffice):  # auth service 30
    browser = backoffice.browser(backoffice.user("alice", *Role))
    browser.get("/account")
    proof = browser.csrf
    wrong = proof[:-1] + ("A" if proof[-1] != "A" else "B")
    for path in POSTS:
        where = re.sub(r"{\w+}", "reports", path)
        assert browser.post(where).status_code == 403, where
        assert browser.post(where, {"csrf": wrong}).status_code == 403, where
        for site in ("cross-site", "same-site"):
            assert browser.post(where, {"csrf": proof}, **{"sec-fetch-site": site}).status_code == 403, where
    assert len(POSTS) > 40
