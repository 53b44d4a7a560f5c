"""Answers of token endpoints, right and odd: what is read out of them, and what is refused."""

import base64
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkey.http.messages import Response
from roomkey.oauth.token_response import (
    LONGEST_LIFETIME,
    AnswerPaths,
    TokenEndpointError,
    TokenResponse,
    read_token_response,
)

WALL = 1_800_000_000.0
JSON = (("Content-Type", "application/json"),)


def read(
    body: object, status: int = 200, headers: tuple[tuple[str, str], ...] = JSON, **settings: object
) -> TokenResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_token_response(Response(status, headers, data), wall=WALL, **settings)  # type: ignore[arg-type]


def jwt(**claims: object) -> str:
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


@pytest.mark.parametrize(
    ("given_value", "lifetime", "told_by"),
    [
        ("3600", 3600.0, "expires_in"),
        ("3600.0", 3600.0, "expires_in"),
        (3599.5, 3599.5, "expires_in"),
        (1e12, LONGEST_LIFETIME, "expires_in"),
        (0, 300.0, "default"),
        (-5, -5.0, "expires_in"),
        (None, 300.0, "default"),
        ("", 300.0, "default"),
        (True, 300.0, "default"),
        ("abc", 300.0, "default"),
        ([3600], 300.0, "default"),
        (10**400, 300.0, "default"),
        ("1e999", 300.0, "default"),
    ],
)
def test_any_expires_in_is_read_or_passed_over_and_never_means_for_ever(
    given_value: object, lifetime: float, told_by: str
) -> None:  # client 18
    answer = read({"access_token": "abc", "expires_in": given_value})
    assert (answer.lifetime, answer.lifetime_from) == (lifetime, told_by)
    assert bool(answer.warnings) == (told_by == "default")
    assert math.isfinite(answer.lifetime)


@pytest.mark.parametrize("member", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_json_does_not_have_are_rejected(member: bytes) -> None:  # client 18
    with pytest.raises(TokenEndpointError, match="not a JSON object"):
        read(b'{"access_token": "abc", "expires_in": ' + member + b"}")


def test_a_jwt_without_expires_in_is_valid_from_iat_to_exp_whatever_this_clock_says() -> None:  # client 19
    answer = read({"access_token": jwt(iat=WALL - 7200, exp=WALL - 6300)})
    assert (answer.lifetime, answer.lifetime_from) == (900.0, "jwt")


def test_an_opaque_token_without_expires_in_gets_the_default_and_says_so() -> None:  # client 19
    answer = read({"access_token": "opaque"}, default_lifetime=120.0)
    assert (answer.lifetime, answer.lifetime_from) == (120.0, "default")
    assert "120 s are assumed" in answer.warnings[0]


@pytest.mark.parametrize(
    ("paths", "body", "lifetime"),
    [
        (AnswerPaths(expires_in="expiresIn"), {"expiresIn": 60}, 60.0),
        (AnswerPaths(expires_at="expires_at"), {"expires_at": WALL + 60}, 60.0),
        (AnswerPaths(expires_at="expires_on"), {"expires_on": str(int(WALL) + 60)}, 60.0),
        (AnswerPaths(expires_at="expires"), {"expires": (WALL + 60) * 1000}, 60.0),
        (AnswerPaths(expires_at="expires"), {"expires": "2027-01-15T08:01:00Z"}, 60.0),
        (AnswerPaths(expires_at="expires"), {"expires": "2027-01-15T10:01:00+02:00"}, 60.0),
        (AnswerPaths(expires_at="expires"), {"expires": "2027-01-15 08:01:00"}, 60.0),
        (AnswerPaths(expires_at="expires"), {"expires": "Fri, 15 Jan 2027 08:01:00 GMT"}, 60.0),
    ],
)
def test_declared_paths_find_every_form_of_an_end(paths: AnswerPaths, body: dict, lifetime: float) -> None:  # client 20
    answer = read({"access_token": "abc"} | body, paths=paths)
    assert answer.lifetime == pytest.approx(lifetime)


@pytest.mark.parametrize("kind", ["bearer", "BEARER", "Bearer", None, "", "User Access Token", 7, "JWT"])
def test_any_unbound_token_type_is_sent_as_bearer(kind: object) -> None:  # client 51
    assert read({"access_token": "abc", "token_type": kind, "expires_in": 60}).token_type == "Bearer"


def test_a_token_bound_to_a_key_is_rejected_without_one() -> None:  # client 51
    with pytest.raises(TokenEndpointError) as caught:
        read({"access_token": "abc", "token_type": "DPoP"})
    assert caught.value.error == "unsupported_token_type"


@pytest.mark.parametrize(
    ("paths", "body", "headers"),
    [
        (AnswerPaths(access_token="data.token"), {"data": {"token": "abc"}}, JSON),
        (AnswerPaths(access_token="body.access_token"), {"body": {"access_token": "abc"}}, JSON),
        (
            AnswerPaths(access_token="authed_user.access_token"),
            {"ok": True, "authed_user": {"access_token": "abc"}},
            JSON,
        ),
        (AnswerPaths(access_token="tokens.0.value"), {"tokens": [{"value": "abc"}]}, JSON),
        (AnswerPaths(whole_body=True), b"abc\n", (("Content-Type", "text/plain"),)),
        (AnswerPaths(whole_body=True), "abc", JSON),
        (AnswerPaths(token_header="X-Auth-Token"), b"", (("x-auth-token", "abc"),)),
        (AnswerPaths(token_header="Authorization"), b"", (("authorization", "Bearer abc"),)),
        (AnswerPaths(token_cookie="session"), b"", (("set-cookie", "session=abc; HttpOnly; Path=/"),)),
    ],
)
def test_the_token_is_found_where_it_was_declared(
    paths: AnswerPaths, body: object, headers: tuple[tuple[str, str], ...]
) -> None:  # client 52
    assert read(body, paths=paths, headers=headers).access_token == "abc"


@pytest.mark.parametrize(
    "token", [None, "", 17, ["abc"], {"a": 1}, True, "a b", "a\r\nX: y", "a\x00", "ä", "x" * 20_000]
)
def test_what_no_header_can_carry_is_no_token(token: object) -> None:  # client 50
    with pytest.raises(TokenEndpointError, match="no access token of printable ASCII"):
        read({"access_token": token, "expires_in": 60})


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"error": "invalid_scope", "access_token": "abc"}, "invalid_scope"),
        (400, {"problem": "x"}, "malformed_response"),
        (502, b"<html>secret-body</html>", "server_error"),
        (200, b"", "malformed_response"),
        (204, b"", "malformed_response"),
        (200, b" " * 70_000 + b"{}", "malformed_response"),
        (200, b'{"access_token": "a", "access_token": "b"}', "malformed_response"),
        (200, b"[" * 100_000, "malformed_response"),
        (302, b"", "unexpected_redirect"),
        (429, b"", "rate_limited"),
        (401, b"", "unauthorized"),
        (403, b"<html>blocked</html>", "forbidden"),
        (400, {"error": "secret body\r\n"}, "malformed_response"),
    ],
)
def test_odd_answers_are_one_typed_error_without_the_body(status: int, body: object, error: str) -> None:  # client 49
    with pytest.raises(TokenEndpointError) as caught:
        read(body, status)
    assert caught.value.error == error
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'\xef\xbb\xbf{"access_token": "abc"}', "application/json"),
        (b'{"access_token": "abc"}', "text/html"),
        (b'{"access_token": "abc"}', ""),
        (b"access_token=abc&expires_in=60", "application/x-www-form-urlencoded; charset=utf-8"),
    ],
)
def test_a_right_answer_in_an_odd_wrapping_is_taken(body: bytes, kind: str) -> None:  # client 49
    assert read(body, headers=(("Content-Type", kind),)).access_token == "abc"


@given(st.integers(100, 599), st.binary(max_size=200), st.sampled_from(["application/json", "text/plain", "a/b", ""]))
def test_no_bytes_make_anything_but_a_token_or_a_typed_error(status: int, body: bytes, kind: str) -> None:
    for paths in (AnswerPaths(), AnswerPaths(whole_body=True), AnswerPaths(access_token="a.0.b", expires_at="e")):
        try:
            answer = read(body, status, (("Content-Type", kind),), paths=paths)
        except TokenEndpointError:
            continue
        assert answer.access_token.isascii()
        assert answer.access_token.isprintable()


_JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
)


@given(st.fixed_dictionaries({"access_token": st.just("abc")}, optional=dict.fromkeys(
    ("expires_in", "expires_at", "scope", "token_type", "refresh_token", "error"), _JSON_VALUES)))  # fmt: skip
def test_no_member_of_an_answer_makes_anything_but_an_answer_or_a_typed_error(members: dict) -> None:  # client 18
    try:
        answer = read(members, paths=AnswerPaths(expires_at="expires_at"))
    except TokenEndpointError:
        return
    assert answer.lifetime <= LONGEST_LIFETIME


def test_a_gateways_403_is_tried_again_and_the_issuers_own_is_not() -> None:
    for body, permanent in ((b"<html>", False), ({"error": "access_denied"}, True)):
        with pytest.raises(TokenEndpointError) as caught:
            read(body, 403)
        assert caught.value.permanent is permanent
