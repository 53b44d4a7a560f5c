"""What texts may hold."""

import pytest

from roomkey.authorization_server.accounts.syntax import checked_text
from roomkey.authorization_server.errors import Invalid


@pytest.mark.parametrize("letter", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\x00\ud800\n\x1b")
def test_what_shows_another_text_than_there_is_is_refused(letter: str):
    with pytest.raises(Invalid):
        checked_text(f"payroll{letter}export", "note")


@pytest.mark.parametrize(
    "text",
    ["שלום עולם", "Straße 7", "=cmd|' /C calc'!A0", "<script>", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"],
)
def test_any_other_text_is_kept_as_it_is(text: str):
    assert checked_text(f"  {text} ", "note") == text


@pytest.mark.parametrize("text", ["a" * 501, " " * 1_000_000 + "a", "a" * 1_000_000])
def test_a_long_text_is_refused_and_never_cut(text: str):
    with pytest.raises(Invalid):
        checked_text(text, "note")
