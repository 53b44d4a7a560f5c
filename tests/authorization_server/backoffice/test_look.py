"""Every page as people see it: at both widths, in both schemes, without obstacles, by keyboard, without scripts."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from tests.authorization_server.backoffice.backoffice_service import Backoffice, Known, fill, pages, served_backoffice
from tests.authorization_server.backoffice.chromium import (
    PICTURES,
    WIDTHS,
    chromium,
    complaints,
    obstacles,
    sign_in,
)

from roomkey.testing import FakeClock

pytestmark = pytest.mark.browser

_ANY = dict.fromkeys(("token", "request", "family", "key"), "")
_NAMES = tuple(pages(Known(*(type("Nobody", (), {"id": ""})() for _ in range(3)), **_ANY)))


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Backoffice, Known]]:
    with served_backoffice(tmp_path_factory.mktemp("service"), FakeClock()) as backoffice:
        yield backoffice, fill(backoffice)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def context(browser: Browser, busy: tuple[Backoffice, Known]) -> Iterator[BrowserContext]:
    """A browser in which the administrator is signed in."""
    backoffice, known = busy
    with browser.new_context() as context:
        sign_in(context, backoffice.url, backoffice.cookie(known.alice))
        yield context


@pytest.mark.parametrize("name", _NAMES)
def test_a_page_has_no_obstacle_and_room_in_every_size_and_scheme(
    context: BrowserContext, busy: tuple[Backoffice, Known], name: str
):
    backoffice, known = busy
    PICTURES.mkdir(parents=True, exist_ok=True)
    page = context.new_page()
    said = complaints(page)
    answer = page.goto(backoffice.url + pages(known)[name])
    assert answer is not None
    assert answer.status == (404 if name == "nothing" else 200)
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, _wide(page, width)
            rules = None if scheme == "light" else ["color-contrast"]  # colours are all that differs
            assert obstacles(page, rules) == [], (width, scheme)
            page.screenshot(path=PICTURES / f"{name}-{scheme}-{width}.png", full_page=True)
    assert [words for words in said if "404" not in words or name != "nothing"] == []


def _wide(page: Page, width: int) -> Any:
    return page.evaluate(
        "w => [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > w + 1)"
        ".slice(0, 3).map(e => e.outerHTML.slice(0, 150))",
        width,
    )


def test_everything_is_reached_by_keyboard(context: BrowserContext, busy: tuple[Backoffice, Known]):
    backoffice, _ = busy
    page = context.new_page()
    page.goto(f"{backoffice.url}/service-accounts/~new")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.getAttribute('name') || document.activeElement.textContent"))
    wanted = {"client_id", "description", "scope", "grants", "authentication", "jwks", "Create the account", "Sign out"}
    assert wanted <= {word.strip() for word in reached}


def test_the_menu_of_a_narrow_page_opens_without_a_script(browser: Browser, busy: tuple[Backoffice, Known]):
    backoffice, known = busy
    with browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740}) as context:
        sign_in(context, backoffice.url, backoffice.cookie(known.alice))
        page = context.new_page()
        page.goto(backoffice.url)
        assert not page.get_by_role("link", name="Audit log", exact=True).is_visible()
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("link", name="Audit log", exact=True).click()
        assert page.url == f"{backoffice.url}/audit"


def test_the_chosen_scheme_wins_and_stays(context: BrowserContext, busy: tuple[Backoffice, Known]):
    backoffice, _ = busy
    page = context.new_page()
    page.emulate_media(color_scheme="light")
    page.goto(f"{backoffice.url}/apis")
    page.get_by_role("button", name="Dark").click()
    assert page.url == f"{backoffice.url}/apis"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 21)"
    page.goto(f"{backoffice.url}/keys")
    assert page.locator("html").get_attribute("data-scheme") == "dark"
    assert page.get_by_role("button", name="Light").is_visible()


def test_a_list_is_filtered_while_one_types(context: BrowserContext, busy: tuple[Backoffice, Known]):
    backoffice, _ = busy
    page = context.new_page()
    page.goto(f"{backoffice.url}/service-accounts")
    page.get_by_label("Find").type("ware")
    shown = [row for row in page.locator("#accounts tbody tr").all() if row.is_visible()]
    assert [row.locator("th a").inner_text() for row in shown] == ["warehouse-sync"]
    page.keyboard.press("Enter")
    page.wait_for_url("**/service-accounts?q=ware")


def test_copying_takes_the_whole_command(browser: Browser, busy: tuple[Backoffice, Known]):
    backoffice, known = busy
    with browser.new_context(permissions=["clipboard-read", "clipboard-write"]) as context:
        sign_in(context, backoffice.url, backoffice.cookie(known.alice))
        page = context.new_page()
        page.goto(f"{backoffice.url}/app-tokens/{known.token}/revoke")
        page.get_by_role("button", name="Copy").click()
        page.get_by_text("Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == f"roomkey admin app-token revoke {known.token}"
