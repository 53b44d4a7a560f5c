"""Names and notes that mean harm: in pages, in exports, in cursors, in fields that no form has."""

import csv
import io

import pytest
from sqlalchemy import select
from tests.authorization_server.backoffice.backoffice_service import CONSOLE, Backoffice, Known

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import CreateApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.service_accounts.commands import CreateServiceAccount, GetServiceAccount
from roomkey.authorization_server.accounts.token_requests.commands import ListTokenRequests, RequestAppToken
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.permissions import Role
from roomkey.authorization_server.schema.accounts import account_apis, account_secrets
from roomkey.authorization_server.schema.identity import users as users_table
from roomkey.authorization_server.schema.tokens import token_families

pytestmark = pytest.mark.slow

_SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_words_of_others_are_escaped_wherever_they_stand(backoffice: Backoffice):  # auth service 34
    scopes = [Scope("<script>alert(1)</script>", _SCRIPT)]
    backoffice.act(CreateApi, audience="orders-api", scopes=scopes, description=_SCRIPT, needs_approval=True)
    access = [Access("orders-api", (scopes[0].name,), (scopes[0].name,))]
    backoffice.act(CreateServiceAccount, client_id="reports", apis=access, description=_SCRIPT)
    alice, carol = backoffice.user("alice", *Role), backoffice.user("carol", "developer")
    asked = backoffice.act(
        RequestAppToken,
        client_id="reports",
        audience="orders-api",
        scopes=[scopes[0].name],
        lifetime=3600,
        note=_SCRIPT,
        by=carol.actor(),
    )
    backoffice.cookie(carol, agent=_SCRIPT)
    browser = backoffice.browser(alice, agent=_SCRIPT)
    paths = [
        "/",
        "/apis",
        "/apis/orders-api",
        "/apis/orders-api/edit",
        "/service-accounts",
        "/service-accounts/reports",
    ]
    paths += ["/service-accounts/~new", "/service-accounts/reports/apis", "/token-requests", "/audit", "/account"]
    paths += [f"/token-requests/{asked.id}", "/token-requests/~new", f"/users/{carol.id}"]
    paths += [
        "/token-requests/~new?for=reports%20orders-api",
        f"/audit?actor={_SCRIPT}",
        f"/service-accounts?q={_SCRIPT}",
    ]
    paths += [f"/app-tokens?client_id={_SCRIPT}", f"/tokens?username={_SCRIPT}"]
    seen = 0
    for path in paths:
        text = browser.get(path).text
        assert "<script>alert" not in text, path
        assert "<img" not in text, path
        seen += "&lt;script&gt;" in text
    assert seen > 12


def test_a_token_that_is_explained_is_escaped(backoffice: Backoffice, known: Known):  # auth service 34
    browser = backoffice.browser(known.alice)
    browser.get("/explain")
    # {"alg":"<script>"} and {"iss":"<script>alert(1)</script>"}
    token = "eyJhbGciOiI8c2NyaXB0PiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiI8c2NyaXB0PmFsZXJ0KDEpPC9zY3JpcHQ-In0.AAAA"
    browser.submit("/explain", token=token)
    assert browser.page.status_code == 200
    assert "&lt;script&gt;alert(1)" in browser.page.text
    assert "<script>alert" not in browser.page.text


def test_no_cell_of_an_export_is_a_formula(backoffice: Backoffice):  # auth service 34
    words = ("=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", " =1", "\r=1")
    for word in words:
        backoffice.act(lambda uow, word=word: record_event(uow, word, Subject(word, word), note=word))
    page = backoffice.browser(backoffice.user("alice", "administrator")).get("/audit.csv")
    assert page.headers["content-type"].startswith("text/csv")
    assert page.headers["cache-control"] == "no-store"
    assert "attachment" in page.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(page.text, newline="")))
    assert rows[0][:4] == ["number", "at", "actor", "action"]
    cells = [cell for row in rows[1:] for cell in row]
    assert {f"'{word}" for word in words} <= set(cells)
    assert not [cell for cell in cells if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))]


_CURSORS = ("' OR 1=1 --", "1;DROP TABLE users", "9" * 400, "1.' UNION SELECT 1", "\x00", "-1")
_LISTS = ("/audit", "/app-tokens", "/service-accounts", "/apis", "/users", "/tokens", "/token-requests")


def test_a_cursor_is_data(backoffice: Backoffice):  # auth service 47
    browser = backoffice.browser(backoffice.user("alice", *Role))
    for path in _LISTS:
        for cursor in _CURSORS:
            page = browser.get(f"{path}?after=" + "".join(f"%{byte:02x}" for byte in cursor.encode()))
            assert page.status_code in {200, 422}, (path, cursor)
    with backoffice.service.look(CONSOLE) as uow:
        assert uow.connection.scalar(select(users_table.c.username)) == "alice"


def test_a_list_in_pages_shows_everything_once(backoffice: Backoffice):  # auth service 47
    backoffice.act(CreateApi, audience="orders-api", scopes=[Scope("a")])
    names = [f"account-{number:03}" for number in range(60)]
    for name in names:
        backoffice.act(CreateServiceAccount, client_id=name)
    browser = backoffice.browser(backoffice.user("alice", *Role))
    first = browser.get("/service-accounts").text
    second = browser.get("/service-accounts?after=account-049").text
    assert "after=account-049" in first
    assert [name for name in names if f">{name}<" in first] == names[:50]
    assert [name for name in names if f">{name}<" in second] == names[50:]
    assert "Next page" not in second


_STRONGER = {
    "owner_id": "usr_somebody",
    "kind": "api",
    "disabled_at": "",
    "created_at": "1",
    "verified": "1",
    "id": "usr_else",
    "user_id": "usr_else",
    "totp_confirmed_at": "1",
    "state": "approved",
    "decided_by": "usr_else",
    "requested_by": "usr_else",
    "allows_password_with_mfa": "1",
    "longest_app_token": "999999999",
    "token_lifetime": "999999999",
}


def test_fields_that_a_form_does_not_have_reach_nothing(backoffice: Backoffice, known: Known):  # auth service 43
    browser = backoffice.browser(known.carol)
    browser.get("/account")
    own = {"client_id": "mine", "grants": "client_credentials", "authentication": "client_secret_basic"}
    browser.submit("/service-accounts/~new", **own, scope="https://billing.example/v2 invoices:read", **_STRONGER)
    assert browser.page.status_code == 303, browser.page.text
    with backoffice.service.look(CONSOLE) as uow:
        made = GetServiceAccount("mine")(uow)
    assert (made.owner_id, made.kind, made.allows_password_with_mfa) == (known.carol.id, "app", False)
    browser.get("/account")
    path = "/token-requests/~new?for=mine%20https://billing.example/v2"
    browser.submit(path, scopes="invoices:read", lifetime="3600", token_format="jwt", **_STRONGER)
    assert browser.page.status_code == 303
    browser.get("/account")
    path = "/token-requests/~new?for=reports%20orders-api"
    browser.submit(path, scopes="orders:read", lifetime="3600", token_format="jwt", **_STRONGER)
    with backoffice.service.look(known.carol.actor()) as uow:
        latest = next(one for one in ListTokenRequests()(uow).items if one.client_id == "reports")
    assert (latest.state, latest.requested_by, latest.decided_by) == ("pending", known.carol.id, None)


def test_a_developer_makes_nothing_stronger_than_themselves(backoffice: Backoffice, known: Known):  # auth service 43
    browser = backoffice.browser(known.carol)
    browser.get("/account")
    own = {"client_id": "mine", "grants": "client_credentials", "authentication": "client_secret_basic"}
    browser.submit("/service-accounts/~new", **own, roles="administrator")
    assert browser.page.status_code == 403
    browser.submit("/service-accounts/~new", **own, scope="roomkey-admin admin:write")
    assert browser.page.status_code == 403
    with backoffice.service.look(CONSOLE) as uow:
        assert uow.connection.scalar(select(account_apis.c.client_id).where(account_apis.c.client_id == "mine")) is None
        assert not uow.connection.scalars(
            select(account_secrets.c.hint).where(account_secrets.c.client_id == "mine")
        ).all()


def test_users_of_a_form_get_the_roles_that_are_ticked_and_no_tenant_but_the_makers(
    backoffice: Backoffice, known: Known
):
    # auth service 43
    boss = backoffice.user("acme-boss", "administrator", tenant="acme")
    browser = backoffice.browser(boss)
    browser.get("/account")
    fields = {"username": "erin", "password": "a good long one here", "roles": "developer"}
    browser.submit("/users/~new", **fields, **_STRONGER)
    assert browser.page.status_code == 303, browser.page.text
    with backoffice.service.look(boss.actor()) as uow:
        row = uow.connection.execute(select(users_table).where(users_table.c.username == "erin")).one()
    assert (row.tenant, row.totp_confirmed_at, row.disabled_at) == ("acme", None, None)
    assert row.id != "usr_else"
    browser.get("/account")
    browser.submit("/users/~new", **(fields | {"username": "frank"}), tenant="")
    with backoffice.service.look(boss.actor()) as uow:
        assert uow.connection.scalar(select(users_table.c.tenant).where(users_table.c.username == "frank")) == "acme"


def test_only_whoever_may_revoke_ends_a_family(backoffice: Backoffice, known: Known):  # auth service 43
    browser = backoffice.browser(known.bob)
    browser.get("/account")
    browser.submit(f"/tokens/families/{known.family}/revoke")
    assert browser.page.status_code == 303
    with backoffice.service.look(CONSOLE) as uow:
        row = uow.connection.execute(select(token_families).where(token_families.c.id == known.family)).one()
    assert row.revoked_at == backoffice.service.now()
    assert len(backoffice.events("family.revoked")) == 1
