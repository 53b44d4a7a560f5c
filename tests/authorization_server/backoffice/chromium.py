"""Debian's Chromium, driven by Playwright; where it is missing its tests say that they did not run."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.node import need_packages

_FOLDER = Path(__file__).parent
PICTURES = Path(__file__).parents[3] / "build/screenshots"
WIDTHS = {360: 740, 1440: 900}
_AXE = """async (only) => {
  const found = await axe.run(document, only ? {runOnly: only} : {});
  return found.violations.map(one => one.id + ": " + one.nodes.map(node => node.html).slice(0, 3).join(" | "));
}"""
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium. Nothing else may run an event loop in this thread meanwhile."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        reason = "NOT RUN: the tests of the backoffice in a browser, because there is no chromium on the PATH"
        (pytest.fail if os.environ.get("CI", "").lower() in ("1", "true") else pytest.skip)(f"{reason}; install it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def axe() -> str:
    """The source of axe-core, which looks for obstacles in pages."""
    need_packages(_FOLDER, "the search for obstacles in the backoffice")
    return (_FOLDER / "node_modules/axe-core/axe.min.js").read_text()


def obstacles(page: Page, rules: list[str] | None = None) -> list[str]:
    """What axe-core finds in the page as it is, by all of its rules or by some."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(axe())
    found: list[str] = page.evaluate(_AXE, rules)
    return found


def sign_in(context: BrowserContext, url: str, cookie: str) -> None:
    """Put the cookie of a session into the browser."""
    context.add_cookies([{"name": "roomkey", "value": cookie, "url": url}])


def complaints(page: Any) -> list[str]:
    """What the page's console says from now on: a style or script that the policy forbids, a missing file, an error."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    return said
