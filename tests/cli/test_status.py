"""``roomkey status``: every credential and what the store holds for it, without asking anybody."""

import json
import re
import time

import pytest

from roomkey.cli.exit_code import ExitCode

MORE = """
[credentials.alice]
source = "password"
token_endpoint = "{endpoint}"
client_id = "reports"
client_secret = {{ env = "ORDERS_SECRET" }}
username = "alice"
password = {{ env = "PASSWORD" }}
context = "acme"

[credentials.backoffice]
source = "service_account_token"
token = {{ file = "app-token" }}
"""


def lines(text: str) -> dict[str, list[str]]:
    """The cells of the table by the credential's name."""
    table = text.split("\n\n")[1].splitlines()[2:]
    return {cells[0]: cells[1:] for line in table if (cells := re.split(r" {2,}", line.rstrip()))}


def told(home, **environment: str) -> dict[str, dict[str, object]]:
    done = home.call("status", "--json", **environment)
    assert done.returncode == 0
    return {each["name"]: each for each in json.loads(done.stdout)["credentials"]}


@pytest.fixture
def three(home, issuer):
    home.add(MORE.format(endpoint=issuer.token_endpoint))
    (home.folder / "app-token").write_text(issuer.issue(lifetime=90_000))
    return home


def test_before_the_first_token_all_is_absent_and_no_server_is_asked(three, issuer, nothing_leaks):
    done = three.call("status")
    assert done.returncode == 0
    assert f"file   {three.file}" in done.stdout
    assert str(three.folder / "tokens.db") in done.stdout
    assert lines(done.stdout) == {
        "orders": ["client credentials", "· absent"],
        "alice": ["acme", "password", "· absent"],
        "backoffice": ["app token", "● fresh", "in 1 d"],
    }
    assert issuer.token_requests == issuer.other_requests == []


def test_what_the_store_holds_is_shown(three, issuer, nothing_leaks):
    issuer.refresh_tokens = True
    three.call("token", "alice")
    done = three.call("status")
    assert lines(done.stdout)["alice"][:3] == ["acme", "password", "● fresh"]
    assert "↻" in lines(done.stdout)["alice"][3]
    assert "↻ with a refresh token" in done.stdout
    assert len(issuer.token_requests) == 1


def test_an_empty_configuration_says_how_to_begin(home, nothing_leaks):
    home.file.write_text('[store]\nurl = "memory:"\n')
    done = home.call("status")
    assert done.returncode == 0
    assert "No credentials are configured; add a table such as [credentials.orders]." in done.stdout


def test_the_states_follow_the_tokens_age(home, issuer):
    issuer.lifetime = 2
    home.call("token", "orders")
    seen = set()
    end = time.monotonic() + 4
    while "expired" not in seen and time.monotonic() < end:
        seen.add(told(home)["orders"]["state"])
        time.sleep(0.05)
    assert {"fresh", "stale", "expired"} <= seen


def test_one_credential_that_cannot_be_looked_up_hides_no_other(three, issuer, nothing_leaks):
    three.call("token", "alice")
    (three.folder / "app-token").unlink()
    done = three.call("status")
    assert done.returncode == 0
    assert "● fresh" in lines(done.stdout)["alice"]
    assert lines(done.stdout)["backoffice"][-1] == "secret_unavailable"
    assert f"backoffice: The secret file {three.folder / 'app-token'} cannot be read: No such file" in done.stdout
    done = three.call("status", ORDERS_SECRET="")
    assert lines(done.stdout)["orders"][-1] == "secret_unavailable"
    assert "orders: The environment variable ORDERS_SECRET is not set or empty" in done.stdout


def test_an_app_token_that_has_ended_is_expired(three, issuer, nothing_leaks):
    (three.folder / "app-token").write_text(issuer.issue(lifetime=-1))
    one = told(three)["backoffice"]
    assert (one["state"], one["error"], one["expires_in"]) == ("expired", "login_required", None)


def test_an_opaque_app_token_has_no_end_and_json_stays_json(three):
    (three.folder / "app-token").write_text("opaque-app-token")
    one = told(three)["backoffice"]
    assert (one["state"], one["expires_in"]) == ("fresh", None)


def test_a_failure_is_told_with_the_next_attempt(home, issuer, nothing_leaks):
    issuer.outage(503, retry_after=120.0)
    home.call("token", "orders")
    one = told(home)["orders"]
    assert (one["state"], one["error"]) == ("absent", "server_error")
    assert 100 < one["next_attempt_in"] <= 120
    shown = home.call("status").stdout
    assert re.search(r"orders: the token endpoint \S+ answered 503 .* Next attempt in (1 min \d+ s|2 min)\.", shown)


def test_a_rejected_client_names_the_next_attempt(home, issuer, nothing_leaks):
    nothing_leaks.plant("a-wrong-client-secret")
    home.call("token", "orders", ORDERS_SECRET="a-wrong-client-secret")
    one = told(home, ORDERS_SECRET="a-wrong-client-secret")["orders"]
    assert one["error"] == "invalid_client"
    assert 0.0 < one["next_attempt_in"] <= 60.0
    assert "Next attempt" in home.call("status", ORDERS_SECRET="a-wrong-client-secret").stdout


def test_json_has_stable_names(three):
    three.call("token", "orders")
    done = three.call("status", "--json")
    members = json.loads(done.stdout)
    assert members["file"] == str(three.file)
    orders = members["credentials"][0]
    assert 290 < orders.pop("expires_in") <= 300
    assert orders.pop("generation") >= 1
    assert orders == {
        "name": "orders",
        "kind": "client_credentials",
        "context": "",
        "state": "fresh",
        "refreshable": False,
        "error": "",
        "problem": "",
        "next_attempt_in": None,
    }


def test_a_store_that_cannot_be_used_ends_with_code_5(home, nothing_leaks):
    home.call("token", "orders")
    (home.folder / "tokens.db").write_bytes(b"this is no database" * 100)
    done = home.call("status")
    assert done.returncode == ExitCode.STORE
    assert done.stderr.startswith("roomkey: ")
    assert str(home.folder / "tokens.db") in done.stderr


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_nothing_that_matters_is_cut(three, width):
    text = three.call("status", COLUMNS=str(width), ORDERS_SECRET="").stdout
    assert max(map(len, text.splitlines())) <= width
    for word in ("orders", "alice", "backoffice", "● fresh", "in 1 d", "absent"):
        assert word in text
    assert ("client credentials" in text) == (width > 72)
