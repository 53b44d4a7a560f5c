"""The grammar of the scope parameter (RFC 6749 section 3.3), checked in linear time."""

import time
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roomkey.authorization_server.grants.scope import read_scope
from roomkey.authorization_server.web.form import MAX_BODY_BYTES, Form
from roomkey.authorization_server.web.oauth_error import OAuthError

NQCHAR = frozenset(map(chr, (0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F))))
LONGEST = 128
MOST = 100
edges = st.text('a!~#[]"\\ \t\n\r\x0b\x0c\x1f\x7f\x80\x85\xa0é\u2028', max_size=12)
words = st.text("ab", max_size=3) | st.sampled_from(["x" * LONGEST, "x" * (LONGEST + 1)])
spaced = st.lists(st.sampled_from(["", "a", "b", "c", "x" * LONGEST]) | words, max_size=12).map(" ".join)
many = st.integers(98, 103).map(lambda count: " ".join(f"s{number}" for number in range(count)))


def as_the_grammar_has_it(scope: str) -> tuple[str, ...] | None:
    tokens = tuple(dict.fromkeys(token for token in scope.split(" ") if token))
    good = all(len(token) <= LONGEST and NQCHAR.issuperset(token) for token in tokens)
    return tokens if good and len(tokens) <= MOST else None


@given(st.text(max_size=40) | edges | spaced | many)
@example("a\n")
@example("a \n")
@example("a\x85b")
@example(" ")
@example("  a  b a ")
def test_a_scope_is_read_as_in_the_grammar(scope):
    expected = as_the_grammar_has_it(scope)
    if expected is None:
        with pytest.raises(OAuthError) as refused:
            read_scope(Form({"scope": scope}))
        assert refused.value.error == "invalid_scope"
    else:
        assert read_scope(Form({"scope": scope})) == expected


def test_no_scope_is_none():
    assert read_scope(Form({})) == read_scope(Form({"scope": ""})) == ()


@pytest.mark.parametrize("end", ["", '"', "\n", "x" * 129])
@pytest.mark.parametrize("unit", ["a", " ", "a ", "a  ", "x" * 128 + " ", "x" * 127 + " " * 127, "\n", "é"])
def test_a_scope_as_long_as_a_body_is_checked_at_once(unit, end):  # auth service 59
    scope = (unit * MAX_BODY_BYTES)[: MAX_BODY_BYTES - len(end)] + end
    began = time.thread_time()
    with suppress(OAuthError):
        read_scope(Form({"scope": scope}))
    assert time.thread_time() - began < 0.5  # it takes some thousandths of a second
