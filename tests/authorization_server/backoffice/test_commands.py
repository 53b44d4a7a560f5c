"""The line at the foot of every page: a command that there is, with options that it has."""

import html
import re
import shlex

import pytest
import typer
from tests.authorization_server.backoffice.backoffice_service import Backoffice, Known, pages

from roomkey.cli.app import app

pytestmark = pytest.mark.slow

_FOOTER = re.compile(r'<code id="same">([^<]*)</code>')


def _check(line: str) -> None:
    """Walk from noun to verb; each option must be one of the verb's."""
    command, words = typer.main.get_command(app), shlex.split(line)
    assert words.pop(0) == "roomkey"
    while words and hasattr(command, "commands"):
        command = command.get_command(None, words.pop(0))
        assert command is not None, line
    assert not hasattr(command, "commands"), line
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known, line
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    required = sum(parameter.required for parameter in arguments)
    assert len([word for word in words[:required] if not word.startswith("--")]) == required, line


def test_every_page_tells_a_command_that_there_is(backoffice: Backoffice, known: Known):
    browser = backoffice.browser(known.alice)
    seen = set()
    for name, path in pages(known).items():
        found = _FOOTER.search(browser.get(path).text)
        assert found is not None, name
        line = html.unescape(found[1]).strip()
        _check(line)
        seen.add(line)
    assert len(seen) > 25


def test_the_page_of_a_secret_tells_one_too(backoffice: Backoffice, known: Known):
    browser = backoffice.browser(known.alice)
    browser.get("/account")
    browser.submit(f"/app-tokens/{known.token}/rotate", overlap="0")
    found = _FOOTER.search(browser.follow().text)
    assert found is not None
    line = html.unescape(found[1])
    _check(line)
    assert 'create reports --api orders-api --scopes "orders:read" --expires' in line
