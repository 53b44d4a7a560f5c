"""``roomkey token``, ``status``, ``inspect``, ``store`` and ``call`` for scripts: ``--json``, output and exit codes.

The auth service is ``roomkey serve`` itself. Renew with ``pytest tests/golden --update-golden``.
"""

import json
from pathlib import Path

import pytest
from tests.golden.command import Command, Transcript
from tests.golden.conftest import Golden

pytestmark = pytest.mark.slow

TOML = """
[store]
url = "sqlite:///tokens.db"

[credentials.orders]
source = "client_credentials"
issuer = "{issuer}"
client_id = "reports"
client_secret = {{ env = "ORDERS_SECRET" }}
scope = "orders:read"
base_url = "{issuer}"

[credentials.alice]
source = "password"
token_endpoint = "{issuer}/oauth2/token"
client_id = "app"
client_secret = {{ env = "APP_SECRET" }}
username = "alice"
password = {{ env = "PASSWORD" }}
scope = "orders:read"
context = "acme"

[credentials.wrong]
source = "client_credentials"
token_endpoint = "{issuer}/oauth2/token"
client_id = "reports"
client_secret = {{ env = "PASSWORD" }}
"""
# What RFC 7519 shows in section 6.1, an unsecured JWT.
UNSECURED = (
    "eyJhbGciOiJub25lIn0"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
)


def test_what_the_client_commands_print_for_a_script_is_as_it_was(golden: Golden, tmp_path: Path) -> None:
    command = Command(tmp_path / "home")
    command.environment |= accounts(command)
    with command.serve("--data", "data") as issuer:
        (command.folder / "roomkey.toml").write_text(TOML.format(issuer=issuer))
        known = {"home": str(command.folder), "issuer": issuer, "host": issuer.removeprefix("http://")}
        files = {name: Transcript(command, (), known) for name in ("token", "status", "store", "call", "inspect")}
        token, status, store = files["token"], files["status"], files["store"]
        status("status")
        stored(store, command)
        token("token", "orders")
        token("token", "orders")
        token("token", "orders", "--refresh")
        token("token", "alice")
        token("token", "wrong")
        token("token", "none")
        plain(token, command, "token", "orders", "--raw")
        status("status")
        stored(store, command)
        call = files["call"]
        plain(call, command, "call", "orders", "GET", "/health")
        plain(call, command, "call", "orders", "GET", "/api/v1/apis")
        plain(call, command, "call", "orders", "GET", "/nowhere")
        plain(call, command, "call", "orders", "GET", "https://other.example/orders")
    plain(store, command, "store", "rotate-key")
    stored(store, command)
    plain(store, command, "store", "clear", "alice", "--yes")
    plain(store, command, "store", "clear", "--all", "--yes")
    stored(store, command)
    token("token", "orders")
    files["inspect"]("inspect", stdin=UNSECURED)
    files["inspect"]("inspect", stdin="not a token")
    golden.check("client", {f"{name}.txt": str(transcript) for name, transcript in files.items()})


def accounts(command: Command) -> dict[str, str]:
    """Two clients and a user; their secrets for the environment."""
    admin, orders = ("admin", "--data", "data"), ("--apis", "orders-api", "--scopes", "orders:read")
    passphrase = "seven green lanterns hum"
    command.json(*admin, "api", "create", "orders-api", "--scopes", "orders:read")
    command.json(*admin, "user", "create", "alice", "--password-stdin", stdin=passphrase)
    reports = command.json(*admin, "service-account", "create", "reports", *orders)
    app = command.json(*admin, "service-account", "create", "app", *orders, "--grants", "password,refresh_token")
    return {"ORDERS_SECRET": reports["client_secret"], "APP_SECRET": app["client_secret"], "PASSWORD": passphrase}


def plain(transcript: Transcript, command: Command, *words: str) -> None:
    """Note a command that has no ``--json``, with its messages."""
    transcript.note(words, None, command(*words))


def stored(transcript: Transcript, command: Command) -> None:
    """Note the records of the store by label: the order of their random keys, and so of a new key's use, varies."""
    output = command("store", "list", "--json")
    found = json.loads(output.out)
    for record in found["records"]:
        record["generation"] = "<generation>"
    found["records"].sort(key=lambda record: record["label"])
    transcript.note(("store", "list", "--json"), found, output)
