"""``roomkey store``: list of records, key rotation, deletion."""

import json
import re
import secrets
from base64 import urlsafe_b64encode

import pytest

from roomkey.cli.exit_code import ExitCode

OTHER = """
[credentials.other]
source = "client_credentials"
token_endpoint = "{endpoint}"
client_id = "reports"
client_secret = {{ env = "ORDERS_SECRET" }}
context = "acme"
"""


@pytest.fixture
def two(home, issuer):
    """Two credentials with a token each."""
    home.add(OTHER.format(endpoint=issuer.token_endpoint))
    for name in ("orders", "other"):
        assert home.call("token", name).returncode == 0
    return home


def listed(home, **environment: str):
    done = home.call("store", "list", "--json", **environment)
    assert done.returncode == 0
    return json.loads(done.stdout)


def new_key(name: str) -> str:
    return f"{name}:{urlsafe_b64encode(secrets.token_bytes(32)).decode()}"


def test_an_empty_store_is_reported_and_not_created(home, nothing_leaks):
    done = home.call("store", "list")
    assert done.returncode == 0
    assert "The store is empty." in done.stdout
    assert sorted(path.name for path in home.folder.iterdir()) == ["roomkey.toml"]


def test_records_are_listed_with_their_owners_and_encryption_keys(two, nothing_leaks):
    found = listed(two)
    assert {record["label"] for record in found["records"]} == {
        '"orders"',
        '"other" (context "acme")',
        "the store itself",
    }
    (key,) = found["keys"]
    assert {record["encrypted_by"] for record in found["records"]} == {key}
    assert all(record["readable"] and record["size"] > 0 for record in found["records"])
    shown = two.call("store", "list").stdout
    assert str(two.folder / "tokens.db") in shown
    for record in found["records"]:
        label = re.escape(record["label"])
        line = rf"{record['key']} +{label} +{record['generation']} +{record['size']} +{key} +✓ readable"
        assert re.search(line, shown)


def test_rotate_key_encrypts_every_record_anew_and_tokens_stay_usable(two, issuer, nothing_leaks):
    (before,) = listed(two)["keys"]
    done = two.call("store", "rotate-key")
    assert done.returncode == 0
    found = listed(two)
    assert found["keys"][0] != before
    assert {record["encrypted_by"] for record in found["records"]} == {found["keys"][0]}
    assert done.stdout == (
        f"✓ The key {found['keys'][0]} encrypts 3 records of the SQLite file {two.folder / 'tokens.db'}.\n"
    )
    assert two.call("token", "orders").returncode == 0
    assert len(issuer.token_requests) == 2


def test_keys_in_the_environment_are_changed_there_and_then_used(home, issuer, nothing_leaks):
    home.file.write_text(home.file.read_text().replace("[credentials", 'keys = { env = "KEYS" }\n[credentials', 1))
    old, new = new_key("old"), new_key("new")
    home.call("token", "orders", KEYS=old)
    done = home.call("store", "rotate-key", KEYS=f"{new},{old}")
    assert done.stdout.startswith("✓ The key new encrypts 2 records")
    assert {record["encrypted_by"] for record in listed(home, KEYS=new)["records"]} == {"new"}
    assert home.call("token", "orders", KEYS=new).returncode == 0
    assert len(issuer.token_requests) == 1
    assert not list(home.folder.glob("*.key"))


def test_a_record_that_no_key_decrypts_is_listed_as_such_and_reported_by_rotate_key(home, nothing_leaks):
    home.file.write_text(home.file.read_text().replace("[credentials", 'keys = { env = "KEYS" }\n[credentials', 1))
    home.call("token", "orders", KEYS=new_key("old"))
    other = new_key("other")
    assert not any(record["readable"] for record in listed(home, KEYS=other)["records"])
    assert home.call("store", "list", KEYS=other).stdout.count("✗ unreadable") == 2
    assert "2 records cannot be decrypted with any key" in home.call("store", "rotate-key", KEYS=other).stderr


def test_keys_that_are_none_end_with_code_2_and_name_the_variable(home, nothing_leaks):
    home.file.write_text(home.file.read_text().replace("[credentials", 'keys = { env = "KEYS" }\n[credentials', 1))
    nothing_leaks.plant("this-is-no-sealing-key")
    for keys in ({}, {"KEYS": "this-is-no-sealing-key"}):
        for command in (("store", "list"), ("store", "rotate-key"), ("status",)):
            done = home.call(*command, **keys)
            assert done.returncode in (ExitCode.USAGE, ExitCode.STORE)
            assert "KEYS" in done.stderr


def test_clear_deletes_the_record_of_one_credential(two, issuer, nothing_leaks):
    done = two.call("store", "clear", "orders")
    assert (done.returncode, done.stdout) == (0, "✓ 1 record deleted.\n")
    assert {record["label"] for record in listed(two)["records"]} == {'"other" (context "acme")', "the store itself"}
    assert two.call("store", "clear", "orders").stdout == "✓ 0 records deleted.\n"
    two.call("token", "orders")
    assert len(issuer.token_requests) == 3


def test_clear_all_does_not_ask_without_a_terminal(two):
    done = two.call("store", "clear", "--all", stdin="y\n")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == "roomkey: Nothing was deleted.\n   next: roomkey store clear --all --yes\n"
    assert len(listed(two)["records"]) == 3
    assert two.call("store", "clear", "--all", "--yes").stdout == "✓ 2 records deleted.\n"
    assert [record["label"] for record in listed(two)["records"]] == ["the store itself"]


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize(("typed", "left", "code"), [("y\n", 1, 0), ("n\n", 3, 2), ("\n", 3, 2), ("\x03", 3, 130)])
def test_clear_all_asks_on_a_terminal(two, typed, left, code):
    done = two.terminal("store", "clear", "--all", typed=typed)
    assert "Delete every token" in done.stdout
    assert done.returncode == code
    assert len(listed(two)["records"]) == left


@pytest.mark.parametrize("arguments", [(), ("orders", "--all")])
def test_clear_wants_either_a_name_or_all(home, arguments):
    done = home.call("store", "clear", *arguments)
    assert done.returncode == ExitCode.USAGE
    assert "Name one credential, or add --all." in done.stderr


def test_an_unknown_name_clears_nothing(two):
    assert two.call("store", "clear", "othr").returncode == ExitCode.USAGE
    assert len(listed(two)["records"]) == 3


@pytest.mark.parametrize("command", [("list",), ("list", "--json"), ("rotate-key",), ("clear", "orders")])
def test_a_store_that_cannot_be_used_ends_with_code_5(home, nothing_leaks, command):
    (home.folder / "tokens.db").write_bytes(b"this is no database" * 100)
    (home.folder / "tokens.db").chmod(0o600)
    done = home.call("store", *command)
    assert done.returncode == ExitCode.STORE
    *_, last = done.stderr.splitlines()
    assert last.startswith("roomkey: ")
    assert str(home.folder / "tokens.db") in last
    assert done.stdout == ""


@pytest.mark.parametrize("width", [40, 80])
def test_no_line_of_the_list_is_wider_than_the_terminal(two, width):
    text = two.call("store", "list", COLUMNS=str(width)).stdout
    assert max(map(len, text.splitlines())) <= width
    assert text.count("✓ readable") == 3
