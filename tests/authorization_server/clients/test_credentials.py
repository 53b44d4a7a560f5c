"""Basic credentials, character by character (RFC 7617, RFC 6749 section 2.3.1)."""

import base64
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkey.authorization_server.clients.credentials import Method, read_credentials
from roomkey.authorization_server.web.form import Form
from roomkey.authorization_server.web.oauth_error import OAuthError
from roomkey.authorization_server.web.request_response import BufferedRequest


def read(*headers: bytes):
    named = [(b"authorization", header) for header in headers]
    return read_credentials(
        BufferedRequest({"type": "http", "method": "POST", "headers": named, "query_string": b""}, b""), Form({})
    )


def basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


@given(st.text(max_size=30), st.text(max_size=30))
def test_form_encoded_credentials_round_trip(client_id, secret):  # auth service 3
    found = read(basic(f"{quote_plus(client_id)}:{quote_plus(secret)}"))
    assert (found.client_id, found.method, found.secret) == (client_id, Method.BASIC, secret)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:b", ("a", "b")),
        ("a:b:c", ("a", "b:c")),
        ("a:", ("a", "")),
        (":b", ("", "b")),
        ("a%3Ab:c", ("a:b", "c")),
        ("a+b:c+d", ("a b", "c d")),
        ("a:100%", ("a", "100%")),
        ("a:%zz%4", ("a", "%zz%4")),
        ("a:%C3%A9", ("a", "é")),
        ("é:漢", ("é", "漢")),
        ("a:\x00", ("a", "\x00")),
        (" a : b ", (" a ", " b ")),
    ],
)
def test_the_first_colon_separates_them_before_decoding(text, expected):
    found = read(basic(text))
    assert (found.client_id, found.secret) == expected


@pytest.mark.parametrize("header", [b"basic YTpi", b"BASIC YTpi", b"Basic    YTpi", b"Basic YTpi ", b"Basic YTpiYw=="])
def test_scheme_and_spaces_are_as_rfc_9110_has_them(header):
    assert read(header).client_id == "a"


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"YTpiYw",
        b"YTpiYw=",
        b"YTpiYw===",
        b"=YTpi",
        b"YTpi\tYTpi",
        b"YT pi",
        b"YTpi,YTpi",
        b"YTp\xc3\xa9",
        b"YTr-_w==",
        b"YTpiYw==YTpi",
        b"YTpiYw==;",
        base64.b64encode(b"a:\xff"),
        base64.b64encode(b"a:%FF"),
        base64.b64encode(b"%C3:%A9"),
        base64.b64encode(b"no colon"),
        base64.b64encode(b"a:" + b"b" * 8192),
    ],
)
def test_ambiguous_credentials_are_rejected(encoded):  # auth service 2
    with pytest.raises(OAuthError) as refused:
        read(b"Basic " + encoded)
    assert (refused.value.error, refused.value.status) == ("invalid_client", 401)


def test_two_headers_are_one_too_many():  # auth service 4
    with pytest.raises(OAuthError) as refused:
        read(basic("a:b"), basic("a:b"))
    assert refused.value.error == "invalid_request"
