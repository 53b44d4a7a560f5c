"""Cache-Control and Vary of responses to a token: private unless the route says otherwise."""

import pytest

from roomkey.integrations.caching import keep_from_shared_caches, private_cache_control, vary_by_token


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, "private"),
        ("", "private"),
        ("max-age=60", "private, max-age=60"),
        ("max-age=60, must-revalidate", "private, max-age=60, must-revalidate"),
        ("s-maxage=60", "private, s-maxage=60"),
        ("no-cache", "private, no-cache"),
        ('private="set-cookie", max-age=60', 'private, private="set-cookie", max-age=60'),
        ("publicity=1", "private, publicity=1"),
        ("no-store", "no-store"),
        ("max-age=60,Private", "max-age=60,Private"),
        ("Public, max-age=60", "Public, max-age=60"),
    ],
)
def test_a_response_is_private_unless_it_says_that_it_is_public(given: str | None, sent: str) -> None:
    assert private_cache_control(given) == sent
    assert private_cache_control(sent) == sent


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, "Authorization"),
        ("", "Authorization"),
        ("Accept", "Accept, Authorization"),
        ("X-Authorization", "X-Authorization, Authorization"),
        ("Accept,authorization", "Accept,authorization"),
        ("*", "*"),
    ],
)
def test_a_response_varies_by_the_token(given: str | None, sent: str) -> None:
    assert vary_by_token(given) == sent
    assert vary_by_token(sent) == sent


def test_both_headers_are_set_in_place() -> None:
    headers = {"Vary": "Origin"}
    keep_from_shared_caches(headers)
    assert headers == {"Vary": "Origin, Authorization", "Cache-Control": "private"}
