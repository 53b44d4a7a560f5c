"""What the pages do: requests and their answers, keys, users, what needs attention, what a token is."""

import html
import re

import pytest
from tests.authorization_server.backoffice.backoffice_service import CONSOLE, Backoffice, Known
from tests.authorization_server.sample_tokens import insert_revoked_tokens

from roomkey.authorization_server.accounts.apis.commands import GetApi
from roomkey.authorization_server.accounts.app_tokens.commands import CreateAppToken, ListAppTokens, RevokeAppToken
from roomkey.authorization_server.accounts.service_accounts.commands import (
    DisableServiceAccount,
    GetServiceAccount,
    ListAccountSecrets,
    RotateAccountSecret,
)
from roomkey.authorization_server.audit.verify import verify
from roomkey.authorization_server.health import alerts
from roomkey.authorization_server.health.alerts import AlertKind
from roomkey.authorization_server.identity import users
from roomkey.authorization_server.identity.commands import ChangeUser, DisableUser
from roomkey.authorization_server.keys.adoption import list_key_states
from roomkey.authorization_server.keys.key_record import KeyState
from roomkey.authorization_server.lists.deny_list import MAX_DENIED
from roomkey.authorization_server.permissions import Role
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.settings import DAY

pytestmark = pytest.mark.slow

_SECRET = re.compile(r'<output id="secret"[^>]*>([^<]+)</output>')


def _text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_nobody_answers_their_own_request(backoffice: Backoffice, known: Known):
    backoffice.act(ChangeUser(known.carol.id, roles=["developer", "approver"]))
    browser = backoffice.browser(backoffice.act(users.get, "carol"))
    assert ">Answer<" not in browser.get("/token-requests").text
    browser.submit(f"/token-requests/{known.request}", decision="approve", answer="")
    assert browser.page.status_code == 403
    assert "Nobody decides on a request of their own" in browser.page.text


def test_a_request_is_approved_collected_once_and_counted_on_the_way(backoffice: Backoffice, known: Known):
    bob, carol = backoffice.browser(known.bob), backoffice.browser(known.carol)
    assert '<span class="count">1<' in bob.get("/").text
    assert '<span class="count">' not in carol.get("/").text
    bob.get(f"/token-requests/{known.request}")
    bob.submit(f"/token-requests/{known.request}", decision="approve", answer="Fine")
    assert "Approved." in bob.follow().text
    assert "A token for reports is approved" in _text(carol.get("/").text)
    assert '<span class="count">1<' in carol.page.text
    carol.submit(f"/token-requests/{known.request}/collect")
    assert _SECRET.search(carol.follow().text)
    carol.get("/token-requests")
    carol.submit(f"/token-requests/{known.request}/collect")
    assert carol.page.status_code == 409


def test_a_refused_form_says_why_and_keeps_what_was_typed(backoffice: Backoffice, known: Known):
    browser = backoffice.browser(known.alice)
    browser.get("/apis/~new")
    fields = {"audience": "bad name", "description": "Kept", "scopes": "a  b", "token_lifetime": "300"}
    browser.submit("/apis/~new", **fields, longest_app_token="3600", token_format="jwt", algorithm="ES256")
    text = browser.page.text
    assert browser.page.status_code == 422
    assert 'aria-invalid="true"' in text
    assert 'id="audience-error"' in text
    assert 'value="bad name"' in text
    assert 'value="Kept"' in text


def test_a_password_is_never_sent_back(backoffice: Backoffice, known: Known):
    browser = backoffice.browser(known.alice)
    browser.get("/users/~new")
    browser.submit("/users/~new", username="erin", password="short", roles="developer")
    assert browser.page.status_code == 422
    assert 'value="short"' not in browser.page.text
    browser.submit(f"/users/{known.bob.id}/password", password="short")
    assert 'value="short"' not in browser.page.text


def test_what_breaks_is_said_before_it_is_done(backoffice: Backoffice, known: Known):
    browser = backoffice.browser(known.alice)
    text = _text(browser.get("/service-accounts/reports/disable").text)
    assert "reports is rejected at the token endpoint from now on." in text
    assert "3 app tokens among them" in text
    browser.submit("/service-accounts/reports/disable", reason="A test")
    assert "Disabled." in browser.follow().text
    with backoffice.service.look(CONSOLE) as uow:
        assert not GetServiceAccount("reports")(uow).enabled
        assert not ListAppTokens(client_id="reports", live=True)(uow).items


def test_the_secret_of_an_account_is_rotated_with_an_overlap(backoffice: Backoffice, known: Known):
    browser = backoffice.browser(known.carol)
    browser.get("/service-accounts/reports/rotate-secret")
    browser.submit("/service-accounts/reports/rotate-secret", overlap="3600")
    assert _SECRET.search(browser.follow().text)
    with backoffice.service.look(CONSOLE) as uow:
        ends = [secret.expires_at for secret in ListAccountSecrets("reports")(uow).items]
    assert ends == [None, backoffice.service.now() + 3600]


def test_scopes_of_an_api_are_changed_line_by_line(backoffice: Backoffice, known: Known):
    browser = backoffice.browser(known.alice)
    text = html.unescape(browser.get("/apis/orders-api/edit").text)
    assert "orders:read  Read all orders\norders:write  Change and cancel orders" in text
    fields = {"token_lifetime": "600", "longest_app_token": "3600", "token_format": "jwt", "algorithm": "ES256"}
    browser.submit("/apis/orders-api/edit", scopes="orders:read See them\r\n\r\norders:ship", **fields)
    assert "Saved." in browser.follow().text
    with backoffice.service.look(CONSOLE) as uow:
        api = GetApi("orders-api")(uow)
    assert [(scope.name, scope.description) for scope in api.scopes] == [
        ("orders:read", "See them"),
        ("orders:ship", ""),
    ]
    assert (api.token_lifetime, api.needs_approval) == (600, False)


def test_keys_walk_through_their_lanes(backoffice: Backoffice, known: Known):
    browser = backoffice.browser(known.alice)
    browser.get("/keys/rotate")
    browser.submit("/keys/rotate", rotation="ES256 now")
    assert "Rotated." in browser.follow().text
    with backoffice.service.look(CONSOLE) as uow:
        states = {one.key.kid: one.key.state for one in list_key_states(uow)}
    assert states[known.key] is KeyState.RETIRING
    browser.get(f"/keys/{known.key}/withdraw")
    assert "Every token that it signed becomes invalid" in browser.page.text
    browser.submit(f"/keys/{known.key}/withdraw")
    with backoffice.service.look(CONSOLE) as uow:
        assert known.key not in {one.key.kid for one in list_key_states(uow)}


def test_roles_are_changed_and_sessions_end(backoffice: Backoffice, known: Known):
    browser, carol = backoffice.browser(known.alice), backoffice.browser(known.carol)
    assert carol.get("/").status_code == 200
    assert 'value="orders-clerk"' in browser.get(f"/users/{known.carol.id}/roles").text
    browser.submit(f"/users/{known.carol.id}/roles", roles="auditor", others="orders-clerk  packer")
    assert "Saved." in browser.follow().text
    assert carol.get("/").status_code == 303  # she signs in again
    with backoffice.service.look(CONSOLE) as uow:
        assert users.get(uow, "carol").roles == ("auditor", "orders-clerk", "packer")


def test_one_session_or_all_of_them_end(backoffice: Backoffice, known: Known):
    browser, one, two = (
        backoffice.browser(known.alice),
        backoffice.browser(known.carol),
        backoffice.browser(known.carol),
    )
    listed = browser.get(f"/users/{known.carol.id}").text
    ids = re.findall(r'action="/users/usr_\w+/sessions/(ses_\w+)/end"', listed)
    assert len(ids) == 2
    browser.submit(f"/users/{known.carol.id}/sessions/{ids[0]}/end")
    assert sorted([one.get("/").status_code, two.get("/").status_code]) == [200, 303]
    browser.get(f"/users/{known.carol.id}/end-sessions")
    browser.submit(f"/users/{known.carol.id}/end-sessions")
    assert [one.get("/").status_code, two.get("/").status_code] == [303, 303]


def test_the_last_administrator_stays(backoffice: Backoffice, known: Known):
    browser = backoffice.browser(known.alice)
    browser.get(f"/users/{known.alice.id}/disable")
    browser.submit(f"/users/{known.alice.id}/disable")
    assert browser.page.status_code == 409
    assert "the last administrator" in browser.page.text


def test_what_needs_attention_is_one_click_from_its_remedy(backoffice: Backoffice, known: Known):
    text = backoffice.browser(known.alice).get("/").text
    for words, href in (
        ("carol requests a token", f"/token-requests/{known.request}"),
        ("of reports expires", f"/app-tokens/{known.token}/rotate"),
        ("bob has no second factor", f"/users/{known.bob.id}"),
        ("old-importer was not used", "/service-accounts/old-importer"),
    ):
        assert words in text
        assert f'href="{href}"' in text


def test_attention_finds_what_is_broken_gone_or_overdue(backoffice: Backoffice, known: Known):
    with backoffice.service.unit_of_work(CONSOLE) as uow:  # behind the back of the service
        uow.connection.execute(audit_events.update().where(audit_events.c.number == 5).values(actor="nobody"))
    backoffice.act(DisableUser(known.carol.id))
    backoffice.act(RotateAccountSecret, "warehouse-sync", overlap=DAY)
    with backoffice.service.look(known.alice.actor()) as uow:
        found = {alert.kind: alert for alert in alerts.find(uow)}
    assert found[AlertKind.AUDIT_CHAIN].id == "5"
    assert AlertKind.SECRET_EXPIRES not in found  # the old secret is used by nobody
    backoffice.clock.advance(95 * DAY)
    with backoffice.service.look(known.alice.actor()) as uow:
        assert AlertKind.KEY_OVERDUE in {alert.kind for alert in alerts.find(uow)}
    browser = backoffice.browser(known.alice)
    assert "breaks at event 5" in browser.get("/").text
    browser.get("/audit")
    browser.submit("/audit/verify")
    assert "The chain breaks at event 5" in browser.page.text


def test_a_deny_list_that_fills_up_is_told_of_before_it_is_full(backoffice: Backoffice, known: Known):
    insert_revoked_tokens(backoffice.service, int(0.8 * MAX_DENIED))
    with backoffice.service.look(known.alice.actor()) as uow:
        assert AlertKind.DENY_LIST_FULL not in {alert.kind for alert in alerts.find(uow)}
    insert_revoked_tokens(backoffice.service, 1, first=MAX_DENIED)
    text = backoffice.browser(known.alice).get("/").text
    assert "The deny list is nearly full" in text
    assert "80 %" in text


def test_attention_shows_nobody_what_is_not_theirs(backoffice: Backoffice, known: Known):
    boss = backoffice.user("acme-boss", *Role, tenant="acme")
    with backoffice.service.look(boss.actor()) as uow:
        assert {alert.kind for alert in alerts.find(uow)} == {AlertKind.NO_SECOND_FACTOR}
        assert {alert.name for alert in alerts.find(uow)} == {"acme-boss"}
        counted = alerts.count(uow)
    assert (counted.app_tokens, counted.service_accounts, counted.apis, counted.users) == (0, 0, 0, 2)


def test_the_audit_log_is_filtered_and_verified(backoffice: Backoffice, known: Known):
    browser = backoffice.browser(known.bob)
    text = _text(browser.get("/audit?action=app_token.&subject=" + known.token).text)
    assert "app_token.created" in text
    assert "user.created" not in text
    browser.submit("/audit/verify")
    assert "The chain holds" in browser.page.text
    with backoffice.service.look(CONSOLE) as uow:
        assert verify(uow).holds


def test_somebody_without_a_role_sees_a_desk_and_nothing_behind_it(backoffice: Backoffice):
    browser = backoffice.browser(backoffice.user("erin"))
    page = browser.get("/")
    assert page.status_code == 200
    assert "/service-accounts" not in page.text
    assert browser.get("/service-accounts").status_code == 403


def test_an_explanation_goes_step_by_step_to_what_is_wrong(backoffice: Backoffice, known: Known):
    order = {"client_id": "warehouse-sync", "audience": "https://billing.example/v2", "scopes": ["invoices:read"]}
    opaque = backoffice.act(CreateAppToken, **order, lifetime=600)
    jwt = backoffice.act(CreateAppToken, **order, lifetime=600, token_format="jwt")
    token, value = opaque.token.reveal(), jwt.token.reveal()
    browser = backoffice.browser(known.alice)

    def verdict(shown: str) -> str:
        browser.get("/explain")
        browser.submit("/explain", token=shown)
        found = re.search(r'id="verdict">([^<]+)<', browser.page.text)
        assert found is not None
        return html.unescape(found[1])

    assert verdict(token) == verdict(f"Bearer {value}\n") == "This token is valid."
    assert "checksum is wrong" in verdict(token[:-1] + ("a" if token[-1] != "a" else "b"))
    head, body, tail = value.split(".")
    assert verdict(f"{head}.{body}.{'A' * len(tail)}") == "The token's signature is wrong."
    assert "not a signed JWT" in verdict("a.b")
    secret = backoffice.act(RotateAccountSecret, "warehouse-sync").client_secret.value
    assert "This is a client secret" in verdict(secret)
    assert secret not in browser.page.text
    backoffice.act(RevokeAppToken, opaque.app_token.id)
    assert verdict(token) == "It was revoked."
    backoffice.act(DisableServiceAccount, "warehouse-sync")
    assert verdict(value) == "It was revoked."
    backoffice.clock.advance(601)
    assert verdict(value) == "It has expired."


def test_an_explanation_tells_a_tenant_nothing_of_another(backoffice: Backoffice, known: Known):
    order = {"client_id": "reports", "audience": "orders-api", "scopes": ["orders:read"], "lifetime": 3600}
    made = backoffice.act(CreateAppToken, **order)
    browser = backoffice.browser(backoffice.user("acme-boss", *Role, tenant="acme"))
    browser.get("/explain")
    browser.submit("/explain", token=made.token.reveal())
    assert "This service has not issued it" in browser.page.text


def test_settings_hide_what_is_secret(backoffice: Backoffice, known: Known):
    text = _text(backoffice.browser(known.alice).get("/settings").text)
    assert "access_token_lifetime 5 minutes" in text
    assert "issuer https://auth.example" in text
