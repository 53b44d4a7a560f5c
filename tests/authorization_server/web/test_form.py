"""Forms are trusted only as far as they are plain."""

from contextlib import suppress
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roomkey.authorization_server.web.form import MAX_BODY_BYTES, Form, parse_form
from roomkey.authorization_server.web.oauth_error import OAuthError

TYPE = b"application/x-www-form-urlencoded"


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=20))
def test_what_was_encoded_comes_out_again(fields):
    form = parse_form(urlencode(fields).encode(), TYPE)
    for name, value in fields.items():
        assert form.optional(name) == (value or None)
        assert name in form


@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_a_bad_request(body):
    with suppress(OAuthError):
        assert isinstance(parse_form(body, TYPE), Form)


pieces = st.sampled_from(
    [*"a=&+;?", "%", "%2", "%zz", "%61", "%3D", "%26", "%2B", "%00", "%25", "\x00", "é", "漢", " "]
)
halves = st.sampled_from(["%C3", "%A9", "%c3%a9", "%E6%BC", "%A2", "%F0%9F%98%80", "%ED%A0%80", "%C0%80", "%FF"])


@given(st.lists(pieces | halves, max_size=14).map("".join) | st.text(max_size=40))
@example("%C3é=1")
@example("a=1&%61=2")
@example("=1&=2")
@example("&".join(map(str, range(64))))
@example("&".join(map(str, range(65))))
def test_a_form_is_parsed_as_python_parses_it_or_rejected(text):
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        pairs = None
    if pairs is None or len(dict(pairs)) < len(pairs) or text.count("&") >= 64:
        with pytest.raises(OAuthError) as refused:
            parse_form(text.encode(), TYPE)
        assert refused.value.error == "invalid_request"
    else:
        form = parse_form(text.encode(), TYPE)
        assert {name: form.optional(name) for name, _ in pairs} == {name: value or None for name, value in pairs}
        assert repr(form) == repr(Form(dict(pairs)))  # no other names


@pytest.mark.parametrize(
    "body",
    [
        b"a=1&a=2",
        b"a=1&%61=2",
        b"a&a",
        b"a=&a=",
        b"a=%FF",
        b"%ff=a",
        b"a=\xc3\x28",
        b"a=%ED%A0%80",  # half a surrogate pair
        b"&".join(b"p%d=1" % number for number in range(65)),
        b"&" * MAX_BODY_BYTES,
    ],
)
def test_an_ambiguous_form_is_rejected(body):  # auth service 4, 59
    with pytest.raises(OAuthError):
        parse_form(body, TYPE)


@pytest.mark.parametrize("media", [b"", b"application/json", b"text/plain", b"multipart/form-data", b"\xff"])
def test_another_media_type_is_rejected(media):
    with pytest.raises(OAuthError):
        parse_form(b"a=1", media)


def test_the_media_type_is_compared_as_such_are():
    assert parse_form(b"a=1", b"Application/X-WWW-Form-URLencoded ; charset=UTF-8").optional("a") == "1"


def test_an_empty_value_is_none_and_a_required_one_is_named():
    form = parse_form(b"a=&b=%20&c", TYPE)
    assert form.optional("a") is form.optional("c") is form.optional("d") is None
    assert form.optional("b") == " "
    with pytest.raises(OAuthError, match="parameter a is missing"):
        form.required("a")


def test_a_nul_stays_what_it_is():  # auth service 37
    assert parse_form(b"password=a%00b", TYPE).required("password") == "a\x00b"


def test_its_repr_shows_names_alone():
    assert repr(Form({"client_secret": "hunter2", "a": "b"})) == "Form(a, client_secret)"
