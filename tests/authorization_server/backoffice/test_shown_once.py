"""Secrets on pages: once, on a page of their own, and nowhere else."""

import html
import re

import pytest
from tests.authorization_server.backoffice.backoffice_service import Backoffice, Known, pages
from tests.authorization_server.backoffice.browser import Browser

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.settings import DAY

pytestmark = pytest.mark.slow

_SECRET = re.compile(r'<output id="secret"[^>]*>([^<]+)</output>')


def _ask(browser: Browser, backoffice: Backoffice) -> None:
    browser.get("/service-accounts/~new")
    fields = {"client_id": "importer", "grants": "client_credentials", "authentication": "client_secret_basic"}
    browser.submit("/service-accounts/~new", scope="orders-api orders:read", **fields)


def _shown(browser: Browser) -> str:
    page = browser.follow()
    found = _SECRET.search(page.text)
    assert found is not None, page.text
    return html.unescape(found[1])


def test_a_secret_is_on_its_page_once(backoffice: Backoffice, known: Known):  # auth service 32, auth service 46
    browser = backoffice.browser(known.alice)
    _ask(browser, backoffice)
    assert browser.page.status_code == 303
    assert browser.page.headers["location"] == "/shown-once"
    assert "rkcs_" not in browser.page.text + str(browser.page.headers)
    secret = _shown(browser)
    assert secret_format.is_well_formed(secret, secret_format.SecretKind.CLIENT_SECRET)
    again = browser.get("/shown-once")
    assert again.status_code == 404
    assert secret not in again.text


def test_the_page_of_a_secret_is_kept_nowhere(backoffice: Backoffice, known: Known):  # auth service 32
    browser = backoffice.browser(known.alice)
    _ask(browser, backoffice)
    headers = browser.follow().headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["frame-ancestors"] == policy["default-src"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"


def test_nothing_in_any_page_stands_inline(backoffice: Backoffice, known: Known):  # auth service 32
    browser = backoffice.browser(known.alice)
    for name, path in pages(known).items():
        text = browser.get(path).text
        assert not re.search(r"<style|<script(?! src=)| style=| on[a-z]+=|javascript:", text), name
        assert not re.search(r'(?:src|href|action)="(?!/|#)', text), name


def test_another_session_of_the_same_person_does_not_see_it(backoffice: Backoffice, known: Known):  # auth service 46
    browser, other = backoffice.browser(known.alice), backoffice.browser(known.alice)
    _ask(browser, backoffice)
    assert other.get("/shown-once").status_code == 404
    assert _shown(browser).startswith("rkcs_")


def test_a_secret_is_in_no_list_log_export_or_error_page(
    backoffice: Backoffice, known: Known, leaks
):  # auth service 46
    browser = backoffice.browser(known.alice)
    _ask(browser, backoffice)
    secret = _shown(browser)
    leaks.plant(secret)
    with leaks.watch():
        for path in [*pages(known).values(), "/service-accounts/importer", "/audit.csv"]:
            assert secret not in browser.get(path).text, path
    leaks.assert_clean(backoffice.events("service_account.created"))
    assert secret[-4:] in browser.get("/service-accounts/importer").text  # its hint


def test_an_app_token_is_shown_once_with_what_one_needs(backoffice: Backoffice, known: Known):  # auth service 46
    browser = backoffice.browser(known.alice)
    browser.get("/app-tokens")
    browser.submit(f"/app-tokens/{known.token}/rotate", overlap="3600")
    token = _shown(browser)
    text = html.unescape(browser.page.text)
    assert token.count(".") == 2
    assert f"REPORTS_TOKEN={token}" in text
    assert text.count(token) == 3  # the secret, the form that tests it, .env: no argument of a command
    assert 'source = "service_account_token"' in text
    browser.submit("/explain", token=token)
    assert "This token is valid." in browser.page.text, browser.page.text
    assert token not in browser.page.text
    assert browser.get("/shown-once").status_code == 404


def test_the_secret_in_the_session_is_sealed(backoffice: Backoffice, known: Known):  # auth service 46
    browser = backoffice.browser(known.alice)
    _ask(browser, backoffice)
    data = b"".join(path.read_bytes() for path in backoffice.service.settings.data.iterdir() if path.suffix != ".key")
    secret = _shown(browser)
    assert secret.encode() not in data
    assert b"importer" in data


def test_the_lifetime_of_a_token_that_is_asked_for_is_capped(backoffice: Backoffice, known: Known):
    browser = backoffice.browser(known.carol)
    browser.get("/account")
    path = "/token-requests/~new?for=reports%20orders-api"
    browser.submit(path, scopes="orders:read", lifetime=str(91 * DAY), token_format="jwt")
    assert browser.page.status_code == 422
