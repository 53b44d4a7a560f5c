import base64
import json
import time

import pytest
from tests.support.leaks import LeakDetector

from roomkey.testing import Issuer

pytestmark = pytest.mark.slow


def _jwt(header: dict, claims: dict) -> str:
    parts = (json.dumps(part).encode() for part in (header, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "c2lnbmF0dXJlLW9mLWl0"])


def test_a_jwt_from_standard_input_is_shown_as_unverified_with_readable_dates(home):
    token = _jwt({"alg": "ES256", "kid": "k1"}, {"iss": "https://auth.example", "exp": 1_700_000_000, "scope": "a b"})
    done = home.run("inspect", stdin=token)
    assert done.returncode == 0
    assert done.stdout.startswith("UNVERIFIED")
    assert "2023-11-14 22:13:20 UTC" in done.stdout
    assert "ago" in done.stdout
    assert "ES256" in done.stdout
    assert done.stderr == ""


def test_a_token_with_the_word_bearer_and_line_ends_is_read_too(home):
    for prefix in ("Bearer ", "Authorization: Bearer "):
        done = home.run("inspect", "--json", stdin=f"{prefix}{_jwt({'alg': 'none'}, {'sub': 'me'})}\r\n")
        assert json.loads(done.stdout) == {"verified": False, "header": {"alg": "none"}, "claims": {"sub": "me"}}


def test_the_signature_is_never_shown(home, issuer: Issuer):
    token = issuer.issue()
    done = home.run("inspect", stdin=token)
    assert issuer.url in done.stdout
    LeakDetector([token.rpartition(".")[2]]).assert_clean(done.stdout, done.stderr)


@pytest.mark.parametrize("arguments", [("inspect",), ("inspect", "--json"), ("token",), ("token", "orders", "--raw")])
def test_a_token_as_an_argument_is_refused_and_not_repeated(home, issuer: Issuer, nothing_leaks, arguments):
    done = home.run(*arguments, issuer.issue())
    assert done.returncode == 2
    assert done.stdout == ""
    assert "looks like a token" in done.stderr


def test_any_argument_of_inspect_is_refused_and_not_repeated(home, nothing_leaks):
    nothing_leaks.plant("opaque-token-in-the-wrong-place")
    done = home.run("inspect", "opaque-token-in-the-wrong-place")
    assert done.returncode == 2
    assert "standard input" in done.stderr


def test_what_is_no_jwt_is_refused_and_not_repeated(home, nothing_leaks):
    nothing_leaks.plant("an-opaque-token-of-some-length")
    for text in ("an-opaque-token-of-some-length", "", "a.b.c", "\xff\xfe.x.y", "eyJ." * 40_000):
        done = home.run("inspect", stdin=text.encode("latin-1"))
        assert done.returncode == 2
        assert done.stdout == ""
        assert "does not hold a JWT" in done.stderr


def test_claims_cannot_steer_the_terminal(home):
    done = home.run("inspect", stdin=_jwt({"alg": "x"}, {"sub": "\x1b[2J\u202eevil", "list": ["\x07"], "[red]x": 1}))
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "\\u001b[2J\\u202eevil" in done.stdout
    assert "[red]x" in done.stdout


def test_a_date_that_is_none_is_shown_as_it_is(home):
    done = home.run("inspect", stdin=_jwt({}, {"exp": 1e300, "iat": "yesterday", "nbf": True}))
    assert done.returncode == 0
    assert "1e+300" in done.stdout
    assert "yesterday" in done.stdout


def test_an_expiry_ahead_says_how_far(home):
    done = home.run("inspect", stdin=_jwt({}, {"exp": time.time() + 3600}))
    assert "in 59 min" in done.stdout or "in 1 h" in done.stdout


def test_on_a_terminal_the_token_is_asked_for_and_not_shown(home, issuer: Issuer, nothing_leaks):
    done = home.terminal("inspect", typed=issuer.issue() + "\n", NO_COLOR="1")
    assert done.returncode == 0
    assert "Token (will not be shown):" in done.stdout
    assert issuer.url in done.stdout


def test_a_line_that_the_terminal_cuts_is_refused(home):
    done = home.terminal("inspect", typed="eyJ" + "x" * 5000 + "\n", NO_COLOR="1")
    assert done.returncode == 2
    assert "does not hold a JWT" in done.stdout
