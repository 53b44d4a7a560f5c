"""The token of a request: one header, one value, one scheme, white space, or a clear no."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

import roomkey
from roomkey.resource_server.bearer_header import read_bearer_header


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_the_same_in_any_case(scheme) -> None:  # validator 41
    assert read_bearer_header([f"{scheme} abc.DEF-1~2+/=="]).value == "abc.DEF-1~2+/=="


@pytest.mark.parametrize("value", ["Bearer  abc", "Bearer    abc", "bearer abc ", "Bearer abc\t", "Bearer  abc \t "])
def test_optional_white_space_around_the_token_is_no_part_of_it(value) -> None:  # validator 41
    assert read_bearer_header([value]).value == "abc"
    assert read_bearer_header(["DPoP" + value[6:]], dpop=True).value == "abc"


@pytest.mark.parametrize(
    ("values", "elsewhere", "reason"),
    [
        (["Bearer a", "Bearer b"], False, "two_authorization_headers"),  # validator 40
        (["Bearer a", "Basic b"], False, "two_authorization_headers"),
        (["Bearer a", "Bearer a"], False, "two_authorization_headers"),
        (["Bearer a, Bearer b"], False, "two_values_in_one_header"),
        (["Bearer a,Bearer b"], False, "two_values_in_one_header"),
        (["Basic a, Bearer b"], False, "two_values_in_one_header"),
        (["Basic a, DPoP b"], False, "two_values_in_one_header"),
        (["Bearer a,dpop b"], False, "two_values_in_one_header"),
        (["Bearer a,b"], False, "malformed_header"),
        (["Bearer"], False, "malformed_header"),  # validator 41
        (["Bearer "], False, "malformed_header"),
        (["Bearer  "], False, "malformed_header"),
        (["Bearer\ta"], False, "malformed_header"),
        (["Bearer \ta"], False, "malformed_header"),
        (["Bearer a\n"], False, "malformed_header"),
        (["Bearer a\u00a0"], False, "malformed_header"),
        (["Bearer a b"], False, "malformed_header"),
        (["Bearer a\r\nX: 1"], False, "malformed_header"),
        (["Bearer \u00e9"], False, "malformed_header"),
        (['Bearer "a"'], False, "malformed_header"),
        ([], True, "token_outside_header"),  # validator 42
        (["Bearer a"], True, "token_in_two_places"),
    ],
)
def test_a_request_that_cannot_be_right_is_a_400(values, elsewhere, reason) -> None:
    with pytest.raises(roomkey.InvalidRequest) as caught:
        read_bearer_header(values, elsewhere=elsewhere)
    assert (caught.value.reason, caught.value.status) == (reason, 400)


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
def test_the_scheme_dpop_is_read_where_it_is_taken(scheme) -> None:  # validator 45
    token = read_bearer_header([f"{scheme} abc"], dpop=True)
    assert (token.scheme, token.value, repr(token)) == ("DPoP", "abc", "ReceivedToken(DPoP)")
    assert read_bearer_header(["Bearer abc"], dpop=True).scheme == "Bearer"
    for value in (scheme, f"{scheme} ", f"{scheme}   ", f"{scheme} a b", f"{scheme}\tabc"):
        with pytest.raises(roomkey.InvalidRequest) as caught:
            read_bearer_header([value], dpop=True)
        assert (caught.value.reason, caught.value.scheme) == ("malformed_header", "DPoP")
    with pytest.raises(roomkey.TokenMissing):
        read_bearer_header([f"{scheme}X abc"], dpop=True)


@pytest.mark.parametrize("values", [[], [""], ["Basic YTpi"], ["BearerX a"], ["Bearerabc"], ["DPoP a"], [" Bearer a"]])
def test_no_bearer_credentials_are_a_401_of_their_own(values) -> None:  # validator 41, 43
    with pytest.raises(roomkey.TokenMissing) as caught:
        read_bearer_header(values)
    assert caught.value.status == 401


def test_a_huge_header_is_an_invalid_token() -> None:  # validator 28
    with pytest.raises(roomkey.InvalidToken) as caught:
        read_bearer_header(["Bearer " + "a" * 16_385])
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("header", ["Bearer {}", "{}", "Basic a{}"])
@pytest.mark.parametrize("filling", ["a", ",", ", ", ",bearer", "\t"])
def test_a_megabyte_costs_no_more_than_a_word(header, filling) -> None:  # validator 28
    value = header.format(filling * (1_000_000 // len(filling)))

    def seconds(header: str) -> float:
        began = time.thread_time()
        with pytest.raises(roomkey.AccessError):
            read_bearer_header([header])
        return time.thread_time() - began

    assert min(seconds(value) for _ in range(20)) < 20 * min(seconds("Basic a") for _ in range(20))


@given(some.lists(some.text(), max_size=3), some.booleans(), some.booleans())
def test_whatever_comes_is_a_token_or_an_error_of_the_family(values, elsewhere, dpop) -> None:
    try:
        token = read_bearer_header(values, elsewhere=elsewhere, dpop=dpop).value
    except roomkey.AccessError:
        return
    assert token
    assert token.isascii()
    assert token in values[0]
