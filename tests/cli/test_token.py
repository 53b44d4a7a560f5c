"""``roomkey token``: what is known of a token, and the token itself for who asks for it."""

import json
import re
import time

import pytest
from tests.support.leaks import LeakDetector

from roomkey.cli.exit_code import ExitCode

ALICE = """
[credentials.alice]
source = "password"
token_endpoint = "{endpoint}"
username = "alice"
password = {{ env = "PASSWORD" }}
client_id = "reports"
client_secret = {{ env = "ORDERS_SECRET" }}
context = "acme"
"""
APP = '[credentials.backoffice]\nsource = "service_account_token"\ntoken = { file = "app-token" }\n'


def rows(text: str) -> dict[str, str]:
    """The first table as names and values."""
    return dict(re.split(r" {2,}", line.rstrip(), maxsplit=1) for line in text.split("\n\n")[0].splitlines())


def test_a_token_is_got_once_and_found_by_the_next_command(home, issuer, nothing_leaks):
    first, second = home.call("token", "orders"), home.call("token", "orders")
    assert (first.returncode, second.returncode) == (0, 0)
    assert rows(first.stdout)["origin"] == "from the token endpoint, just now"
    assert rows(second.stdout)["origin"] == "from the store"
    assert len(issuer.token_requests) == 1
    assert "Made the key file" in first.stderr
    assert second.stderr == ""


def test_what_is_known_of_it_is_shown(home, issuer, nothing_leaks):
    done = home.call("token", "orders")
    known = rows(done.stdout)
    assert known["credential"] == "orders"
    assert known["source"] == f"client_credentials reports at {issuer.origin.removeprefix('http://')}"
    assert re.fullmatch(r"in (5 min|4 min 59 s)  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", known["expires"])
    assert known["scope"] == "orders:read"
    claims = done.stdout.partition("Claims, unverified")[2]
    assert re.search(r"^iss +" + re.escape(issuer.url) + " +issuer", claims, re.MULTILINE)
    assert re.search(r"^exp +.* UTC  in (5 min|4 min 59 s|5 min 1 s) +expires", claims, re.MULTILINE)


def test_json_holds_all_that_is_known_and_not_the_token(home, nothing_leaks):
    home.add(ALICE.format(endpoint=home.issuer.token_endpoint))
    told = json.loads(home.call("token", "alice", "--json").stdout)
    claims = told.pop("claims_unverified")
    assert (claims["sub"], claims["client_id"]) == ("alice", "reports")
    assert 290 < told.pop("expires_in") <= 300
    assert told == {
        "name": "alice",
        "context": "acme",
        "source": f"password alice at {home.issuer.origin.removeprefix('http://')}",
        "token_type": "Bearer",
        "scope": "orders:read orders:write",
        "state": "fresh",
        "generation": told["generation"],
        "got": "fetched",
    }
    assert json.loads(home.call("token", "alice", "--json").stdout)["got"] == "found"


@pytest.mark.slow
@pytest.mark.slow
def test_raw_prints_the_token_and_nothing_else(home, issuer):
    done = home.run("token", "orders", "--raw")
    assert issuer.is_live(done.stdout.removesuffix("\n"))
    assert done.stdout.count("\n") == 1
    LeakDetector(issuer.secret_values).assert_clean(done.stderr)


@pytest.mark.slow
@pytest.mark.slow
def test_the_token_stands_in_no_file_that_the_command_left(home, issuer):
    home.run("token", "orders", "--raw")
    left = [path.read_bytes() for path in home.folder.rglob("*") if path.is_file()]
    assert len(left) >= 3  # roomkey.toml, the store, its key
    LeakDetector(issuer.secret_values).assert_clean(*left)


def test_refresh_gets_a_new_one_although_the_old_one_is_good(home, issuer):
    tokens = {home.call("token", "orders", "--raw", *more).stdout for more in ((), (), ("--refresh",))}
    assert len(tokens) == len(issuer.token_requests) == 2


def test_raw_and_json_exclude_each_other(home, issuer):
    done = home.call("token", "orders", "--raw", "--json")
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    assert "--raw and --json exclude each other" in done.stderr
    assert issuer.token_requests == []


def test_an_opaque_token_is_reported_as_opaque(home, issuer, nothing_leaks):
    issuer.opaque = True
    assert (
        "The token is opaque: only its issuer can tell its claims (introspection)."
        in home.call("token", "orders").stdout
    )


def test_an_app_token_is_shown_with_its_place_and_end(home, issuer, nothing_leaks):
    home.add(APP)
    (home.folder / "app-token").write_text(issuer.issue(lifetime=3600))
    done = home.call("token", "backoffice")
    known = rows(done.stdout)
    assert known["origin"] == "from the configuration"
    assert known["source"] == f"app token from the file {home.folder / 'app-token'}"
    assert known["expires"].startswith(("in 1 h", "in 59 min"))
    assert "it expires in 60 minutes" in done.stderr


def test_an_app_token_that_does_not_say_when_it_ends_has_no_end(home, nothing_leaks):
    home.add(APP)
    (home.folder / "app-token").write_text("opaque-app-token-of-the-backoffice")
    nothing_leaks.plant("opaque-app-token-of-the-backoffice")
    assert rows(home.call("token", "backoffice").stdout)["expires"] == "the server did not say"
    assert json.loads(home.call("token", "backoffice", "--json").stdout)["expires_in"] is None


@pytest.mark.parametrize("content", ["two words", "ünïcode", "x" * 20_000])
def test_what_is_no_app_token_is_told_by_its_place_and_not_repeated(home, content):
    home.add(APP)
    (home.folder / "app-token").write_text(content)
    done = home.call("token", "backoffice")
    assert done.returncode == ExitCode.NO_TOKEN
    assert f"What the file {home.folder / 'app-token'} holds is no token" in done.stderr
    assert "Next attempt" not in done.stderr
    assert content not in done.stderr


def test_an_app_token_that_has_ended_says_where_to_put_a_new_one(home, issuer, nothing_leaks):
    home.add(APP)
    (home.folder / "app-token").write_text(issuer.issue(lifetime=-5))
    done = home.call("token", "backoffice")
    assert done.returncode == ExitCode.NO_TOKEN
    assert done.stderr == (
        f'roomkey: No token for "backoffice": The app token from the file {home.folder / "app-token"} has expired; '
        "make a new one in the backoffice, put it there.\n"
    )


def test_a_secret_that_is_not_set_is_told_by_its_variable(home, issuer):
    done = home.call("token", "orders", ORDERS_SECRET="")
    assert done.returncode == ExitCode.NO_TOKEN
    assert done.stdout == ""
    assert done.stderr == (
        'roomkey: No token for "orders": The environment variable ORDERS_SECRET is not set or empty; '
        "set it to the secret.\n"
    )
    assert issuer.token_requests == []


def test_a_secret_that_is_refused_is_named_by_its_variable_and_tried_again_at_each_start(home, issuer, nothing_leaks):
    nothing_leaks.plant("a-wrong-client-secret")
    for _ in range(2):
        done = home.call("token", "orders", ORDERS_SECRET="a-wrong-client-secret")
        assert done.returncode == ExitCode.NO_TOKEN
        assert f"the token endpoint {issuer.token_endpoint} answered 401 invalid_client." in done.stderr
        assert "client_secret came from the environment variable ORDERS_SECRET" in done.stderr
    assert len(issuer.token_requests) == 2
    assert home.call("token", "orders").returncode == 0


def test_a_token_endpoint_that_is_down_is_told_in_words_with_the_next_attempt(home, issuer):
    issuer.unreachable()
    done = home.call("token", "orders")
    issuer.recover()
    assert done.returncode == ExitCode.NO_TOKEN
    assert re.fullmatch(
        f'roomkey: No token for "orders": the token endpoint {re.escape(issuer.token_endpoint)} did not answer: '
        r"Connection refused\. Next attempt in \d+ s\.\n",
        done.stderr.partition("roomkey.\n")[2] or done.stderr[done.stderr.index("roomkey: ") :],
    )


def test_a_token_that_is_held_serves_while_the_endpoint_is_down(home, issuer):
    home.call("token", "orders")
    issuer.unreachable()
    done = home.call("token", "orders")
    issuer.recover()
    assert done.returncode == 0


def test_a_store_that_cannot_be_used_costs_a_note_and_not_the_token(home, issuer, nothing_leaks):
    (home.folder / "tokens.db").symlink_to("/dev/null")
    done = home.call("token", "orders")
    assert done.returncode == 0
    assert done.stderr.startswith("note: ")
    assert len(issuer.token_requests) == 1


@pytest.mark.parametrize(("name", "words"), [("ordrs", 'did you mean "orders"?'), ("nothing", "configured: orders.")])
def test_an_unknown_name_is_told_with_those_that_are_known(home, name, words):
    done = home.call("token", name)
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == f'roomkey: There is no credential "{name}" in {home.file}; {words}\n'


def test_a_token_in_the_place_of_a_name_is_not_repeated(home, nothing_leaks):
    nothing_leaks.plant("opaque-token-in-place-of-a-name")
    assert home.call("token", "opaque-token-in-place-of-a-name").returncode == ExitCode.USAGE


def test_an_expired_token_is_never_printed(home, issuer):
    issuer.lifetime = 1
    first = home.call("token", "orders", "--raw").stdout
    issuer.lifetime = 300
    time.sleep(1.05)
    second = home.call("token", "orders", "--raw").stdout
    assert first != second
    assert issuer.is_live(second.strip())
