"""Which characters text may hold."""

import pytest

from roomkey.authorization_server.accounts.service_accounts.commands import DisableServiceAccount
from roomkey.authorization_server.accounts.syntax import one_line
from roomkey.authorization_server.errors import Invalid


def _reason(text: str) -> str:
    return one_line(DisableServiceAccount("reports", text).reason)


@pytest.mark.parametrize("letter", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\x00\ud800\n\x1b")
def test_characters_that_show_another_text_are_rejected(letter: str):
    for text in (f"payroll{letter}export", f"payroll{letter}"):
        with pytest.raises(Invalid) as rejected:
            _reason(text)
        assert rejected.value.field == "reason"


@pytest.mark.parametrize(
    "text",
    ["שלום עולם", "Straße 7", "=cmd|' /C calc'!A0", "<script>", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"],
)
def test_any_other_text_is_kept_as_it_is(text: str):
    assert _reason(f"  {text} ") == text


@pytest.mark.parametrize("text", ["a" * 501, " " * 1_000_000 + "a", "a" * 1_000_000])
def test_a_long_text_is_rejected_and_never_cut(text: str):
    with pytest.raises(Invalid):
        _reason(text)
