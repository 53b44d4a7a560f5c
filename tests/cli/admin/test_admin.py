"""``roomkey admin``: every verb does what the acts do, tells it to people and to scripts, and secrets once."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import typer

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.accounts.app_tokens.model import AppToken
from roomkey.cli.admin import app as nouns
from roomkey.cli.exit_code import ExitCode
from roomkey.testing import IssuerKeys

pytestmark = pytest.mark.slow

ADMIN = typer.main.get_command(nouns.app)
VERBS = [
    (noun, verb)
    for noun in ADMIN.list_commands(None)
    for verb in getattr(ADMIN.get_command(None, noun), "commands", ())
]


def test_the_design_names_these_verbs_and_they_are_there():
    for line in (
        "api create",
        "service-account create",
        "service-account rotate-secret",
        "service-account disable",
        "service-account enable",
        "app-token create",
        "app-token rotate",
        "app-token revoke",
        "user create",
        "user disable",
        "keys list",
        "keys rotate",
        "audit list",
        "audit verify",
    ):
        assert tuple(line.split()) in VERBS


@pytest.mark.parametrize(("noun", "verb"), VERBS)
def test_every_verb_explains_itself_and_can_answer_a_script(admin, noun, verb):
    done = admin(noun, verb, "--help")
    assert done.returncode == 0
    assert "--json" in done.stdout
    assert not admin.data.exists()  # to ask for help makes nothing


def test_an_api_is_made_with_the_credentials_of_its_account(admin):
    made = admin.json("api", "create", "orders-api", "--scopes", "orders:read orders:write", "--token-lifetime", "5m")
    assert (made["audience"], made["client_id"], made["token_lifetime"]) == ("orders-api", "orders-api", 300)
    assert secret_format.is_well_formed(made["client_secret"], secret_format.SecretKind.CLIENT_SECRET)
    assert [scope["name"] for scope in made["scopes"]] == ["orders:read", "orders:write"]
    shown = admin.json("api", "show", "orders-api")
    assert shown == {name: value for name, value in made.items() if name != "client_secret"}
    assert admin.json("api", "list")["apis"][0] == shown


def test_an_api_that_shares_a_secret_gets_it_once(admin):
    made = admin.json("api", "create", "legacy", "--scopes", "a", "--algorithm", "HS256")
    assert secret_format.is_well_formed(made["shared_secret"], secret_format.SecretKind.SHARED_SECRET)
    new = admin.json("api", "rotate-shared-secret", "legacy")["shared_secret"]
    assert new != made["shared_secret"]
    assert new not in admin("api", "list").stdout + admin("audit", "list").stdout


def test_an_api_is_changed_and_switched_off_and_on(admin):
    admin.orders()
    changed = admin.json(
        *(
            "api",
            "change",
            "orders-api",
            "--add-scope",
            "orders:delete=Delete orders",
            "--remove-scope",
            "orders:write",
        ),
        *("--needs-approval", "--longest-app-token", "7d", "--description", "Orders"),
    )
    assert {scope["name"]: scope["description"] for scope in changed["scopes"]} == {
        "orders:delete": "Delete orders",
        "orders:read": "",
    }
    assert (changed["needs_approval"], changed["longest_app_token"]) == (True, 604_800)
    assert admin.json("api", "disable", "orders-api")["disabled_at"]
    assert admin.json("api", "enable", "orders-api")["disabled_at"] is None
    assert admin.json("api", "rotate-secret", "orders-api", "--overlap", "1h")["old_until"]


def test_a_service_account_gets_each_scope_at_the_api_that_has_it(admin):
    admin.json("tenant", "create", "acme")
    admin.json("api", "create", "one", "--scopes", "read write")
    admin.json("api", "create", "two", "--scopes", "read pay")
    made = admin.json(
        *("service-account", "create", "reports", "--apis", "one,two", "--scopes", "read pay"),
        *("--default-scopes", "read", "--tenant", "acme", "--grants", "client_credentials,password"),
        *("--roles", "exporter", "--description", "Nightly"),
    )
    assert made["apis"] == [
        {"audience": "one", "scopes": ["read"], "default_scopes": ["read"]},
        {"audience": "two", "scopes": ["read", "pay"], "default_scopes": ["read"]},
    ]
    assert (made["tenant"], made["grants"]) == ("acme", ["client_credentials", "password"])
    done = admin("service-account", "create", "other", "--apis", "one", "--scopes", "pay")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == 'roomkey: None of the named APIs has a scope "pay".\n'


def test_a_service_account_with_keys_of_its_own_has_no_secret(admin, tmp_path: Path):
    file = tmp_path / "public.jwks"
    file.write_text(json.dumps(IssuerKeys().jwks()))
    admin.json("api", "create", "one", "--scopes", "read")
    words = ("service-account", "create", "robot", "--apis", "one", "--scopes", "read")
    made = admin.json(*words, "--authentication", "private_key_jwt", "--jwks", str(file))
    assert "client_secret" not in made
    assert made["key_ids"]
    for wrong in (tmp_path / "missing", tmp_path):
        done = admin(*words, "--authentication", "private_key_jwt", "--jwks", str(wrong))
        assert done.returncode == ExitCode.USAGE
        assert str(wrong) in done.stderr


def test_a_service_account_is_changed_rotated_disabled_and_enabled(admin):
    admin.orders()
    new = admin.json("service-account", "rotate-secret", "reports", "--overlap", "1h")
    assert secret_format.is_well_formed(new["client_secret"], secret_format.SecretKind.CLIENT_SECRET)
    shown = admin.json("service-account", "show", "reports")
    assert shown["secrets"][0]["hint"] == secret_format.hint_of(new["client_secret"])
    assert len(shown["secrets"]) == 2
    changed = admin.json(
        "service-account", "change", "reports", "--apis", "orders-api", "--scopes", "orders:read orders:write"
    )
    assert changed["apis"][0]["scopes"] == ["orders:read", "orders:write"]
    assert admin.json("service-account", "disable", "reports")["disabled_at"]
    assert admin.json("service-account", "enable", "reports")["disabled_at"] is None
    assert [
        one["client_id"] for one in admin.json("service-account", "list", "--api", "orders-api")["service_accounts"]
    ] == ["reports"]


def test_an_app_token_is_made_listed_rotated_and_revoked(admin):
    admin.orders()
    words = ("app-token", "create", "reports", "--api", "orders-api", "--scopes", "orders:read")
    made = admin.json(*words, "--expires", "30d")
    assert made["token"].startswith("eyJ")
    assert made["expires_at"] - made["created_at"] == 30 * 86_400
    assert secret_format.is_well_formed(
        admin.json(*words, "--format", "opaque")["token"], secret_format.SecretKind.ACCESS_TOKEN
    )
    new = admin.json("app-token", "rotate", made["id"], "--overlap", "1h")
    states = {one["id"]: one["state"] for one in admin.json("app-token", "list", "--account", "reports")["app_tokens"]}
    assert (states[made["id"]], states[new["id"]]) == ("replaced", "live")
    assert admin.json("app-token", "revoke", new["id"], "--reason", "leaked")["revoked_at"]
    live = {one["id"] for one in admin.json("app-token", "list")["app_tokens"]}
    assert new["id"] not in live
    everything = {one["id"] for one in admin.json("app-token", "list", "--all")["app_tokens"]}
    assert new["id"] in everything


def test_a_user_gets_a_password_from_standard_input_alone(admin):
    admin.json("tenant", "create", "acme")
    made = admin.json(
        *("user", "create", "alice", "--password-stdin", "--roles", "developer", "--tenant", "acme"),
        stdin="a long enough passphrase\n",
    )
    assert (made["username"], made["roles"], made["tenant"], made["has_password"]) == (
        "alice",
        ["developer"],
        "acme",
        True,
    )
    assert admin.json("user", "set-password", "alice", "--password-stdin", stdin="another long passphrase\n")
    changed = admin.json("user", "change", "alice", "--roles", "developer,auditor", "--scopes", "orders:read")
    assert (changed["roles"], changed["scopes"]) == (["auditor", "developer"], ["orders:read"])
    assert admin.json("user", "disable", "alice")["disabled_at"]
    assert admin.json("user", "enable", "alice")["disabled_at"] is None
    assert admin.json("user", "reset-second-factor", "alice")["has_totp"] is False
    assert admin.json("user", "show", made["id"]) == admin.json("user", "list")["users"][0]
    for words, stdin in (
        (("user", "create", "bob", "--password-stdin"), "short\n"),
        (("user", "create", "bob", "--password-stdin"), ""),
        (("user", "set-password", "alice"), "a long enough passphrase\n"),
        (("user", "create", "bob", "--password", "a long enough passphrase"), ""),
    ):
        done = admin(*words, stdin=stdin)
        assert done.returncode == ExitCode.USAGE
        assert "passphrase" not in done.stdout + done.stderr
    assert [one["username"] for one in admin.json("user", "list")["users"]] == ["alice"]


def test_the_owner_of_an_account_is_named_by_their_user_name(admin):
    admin.orders()
    alice = admin.json("user", "create", "alice")["id"]
    assert admin.json("service-account", "change", "reports", "--owner", "alice")["owner_id"] == alice
    assert admin.json("service-account", "change", "reports", "--owner", "")["owner_id"] is None
    assert admin("service-account", "change", "reports", "--owner", "nobody").returncode == ExitCode.USAGE


def test_keys_are_listed_rotated_and_withdrawn(admin):
    admin("tenant", "create", "acme")
    old = admin.json("keys", "list")["keys"][0]
    assert (old["algorithm"], old["state"]) == ("ES256", "signing")
    waiting = admin.json("keys", "rotate")
    assert (waiting["state"], waiting["replaced"]) == ("next", None)
    assert "does not sign yet" in admin("keys", "rotate").stdout
    signing = admin.json("keys", "rotate", "--now")
    assert (signing["kid"], signing["state"], signing["replaced"]) == (waiting["kid"], "signing", old["kid"])
    admin.json("keys", "withdraw", old["kid"])
    assert [key["kid"] for key in admin.json("keys", "list")["keys"]] == [signing["kid"]]
    assert len(admin.json("keys", "list", "--all")["keys"]) == 2
    assert admin.json("keys", "rotate-seal")["rewrapped"] >= 1
    assert admin.json("keys", "list")["keys"][0]["kid"] == signing["kid"]  # what is sealed anew still opens


def test_everything_is_audited_as_console_and_the_chain_can_be_checked(admin):  # auth service 48
    admin.orders()
    admin.json("service-account", "disable", "reports")
    page = admin.json("audit", "list", "--actor", "console", "--limit", "2")
    assert [event["action"] for event in page["events"]] == ["service_account.disabled", "service_account.created"]
    assert page["after"]
    older = admin.json("audit", "list", "--actor", "console", "--after", page["after"])
    assert [event["action"] for event in older["events"]] == ["api.created"]
    assert admin.json("audit", "verify") == {"holds": True, "number": 5}
    assert admin("audit", "verify").returncode == 0
    import sqlite3

    database = sqlite3.connect(admin.data / "roomkey.db")
    with database:
        database.execute("UPDATE audit_events SET actor = 'service' WHERE number = 4")
    database.close()
    done = admin("audit", "verify")
    assert done.returncode == ExitCode.FAILED
    assert "breaks at event 4" in done.stderr


def test_a_secret_is_printed_once_and_stands_in_no_list(admin):  # auth service 46
    admin.orders()
    made = [
        admin("service-account", "rotate-secret", "reports").stdout.splitlines()[-1],
        admin("app-token", "create", "reports", "--api", "orders-api", "--scopes", "orders:read").stdout.splitlines()[
            -1
        ],
    ]
    assert secret_format.is_well_formed(made[0], secret_format.SecretKind.CLIENT_SECRET)
    assert made[1].startswith("eyJ")
    lists = [admin(noun, verb).stdout for noun, verb in VERBS if verb == "list"]
    lists += [admin("service-account", "show", "reports").stdout, admin("app-token", "list", "--all", "--json").stdout]
    for secret in made:
        assert not any(secret in text for text in lists)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("api", "show", "nothing"), ExitCode.REFUSED, 'There is no API "nothing".'),
        (("api", "create", "orders-api", "--scopes", "a"), ExitCode.REFUSED, 'There is an API "orders-api" already.'),
        (("app-token", "revoke", "tok_x"), ExitCode.REFUSED, "There is no such app token."),
        (("api", "create", "x"), ExitCode.USAGE, "Missing option '--scopes'."),
        (
            ("api", "create", "x", "--scopes", "a", "--token-lifetime", "2d"),
            ExitCode.USAGE,
            "The token_lifetime must be",
        ),
        (
            ("app-token", "create", "r", "--api", "o", "--scopes", "a", "--expires", "soon"),
            ExitCode.USAGE,
            "--expires must",
        ),
        (
            ("service-account", "rotate-secret", "reports", "--overlap", "1y"),
            ExitCode.USAGE,
            "--overlap must be a number",
        ),
        (("keys", "rotate", "--algorithm", "RS256"), ExitCode.REFUSED, "No key of this service signs with RS256."),
    ],
)
def test_what_is_refused_is_said_in_one_sentence(admin, words, code, sentence):
    admin.orders()
    done = admin(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"roomkey: {sentence}")
    assert len(done.stderr.splitlines()) <= 2


def test_a_database_that_cannot_be_had_is_a_store_that_cannot_be_used(admin, tmp_path: Path):
    (tmp_path / "file").write_text("")
    done = admin.home.call("admin", "--database", f"sqlite:///{tmp_path}/file/x.db", "tenant", "create", "acme")
    assert done.returncode == ExitCode.STORE
    done = admin.home.call("admin", "--database", "mysql://x", "api", "list")
    assert done.returncode == ExitCode.USAGE


def test_on_a_terminal_a_secret_stays_in_one_piece_and_tables_fit(admin):
    admin.orders()
    text = admin.terminal("app-token", "create", "reports", "--api", "orders-api", "--scopes", "orders:read", width=60)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert re.search(r"^eyJ[A-Za-z0-9_.-]{200,}$", plain, re.MULTILINE)  # the terminal breaks it, not we
    for noun in ("api", "service-account", "app-token", "user", "keys", "audit", "tenant"):
        listed = re.sub(r"\x1b\[[0-9;]*m", "", admin.terminal(noun, "list", width=60))
        assert max(map(len, listed.splitlines())) <= 60


def test_what_people_typed_cannot_steer_a_terminal(admin):
    admin.orders()
    for hostile in ("\x1b[2Jgone", "\u202e reversed"):
        assert admin("api", "change", "orders-api", "--description", hostile).returncode == ExitCode.USAGE
    admin.json("api", "change", "orders-api", "--description", "[red]not[/red] markup")
    assert "[red]not[/red] markup" in admin("api", "show", "orders-api").stdout


def test_it_works_while_the_service_runs_and_by_the_name_that_it_is_served_as(admin, start, tmp_path: Path):
    serving = start("--issuer", "https://auth.example")
    admin.orders()
    secret = admin.json("api", "rotate-secret", "orders-api")["client_secret"]
    made = admin.json("app-token", "create", "reports", "--api", "orders-api", "--scopes", "orders:read")

    def introspect() -> dict[str, object]:
        import base64
        import http.client
        from urllib.parse import urlencode

        connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=30)
        basic = base64.b64encode(f"orders-api:{secret}".encode()).decode()
        headers = {
            "Authorization": f"Basic {basic}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Host": "auth.example",
        }
        connection.request("POST", "/oauth2/introspect", urlencode({"token": made["token"]}), headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    known = introspect()
    assert (known["active"], known["iss"], known["client_id"]) == (True, "https://auth.example", "reports")
    claims = admin.home.call("inspect", "--json", stdin=made["token"]).stdout
    assert "https://auth.example" in claims
    admin.json("app-token", "revoke", made["id"])
    assert introspect() == {"active": False}


def test_two_commands_at_once_both_succeed(admin):
    admin.orders()
    words = ["admin", "--data", str(admin.data), "app-token", "create", "reports", "--api", "orders-api"]
    both = [
        admin.home.start(*words, "--scopes", "orders:read", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    outs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], outs
    ids = {json.loads(out)["id"] for out, _ in outs}
    assert len(ids) == 2


def test_the_answer_for_scripts_holds_every_member_of_the_value(admin):
    admin.orders()
    made = admin.json("app-token", "create", "reports", "--api", "orders-api", "--scopes", "orders:read")
    assert made.keys() == {*AppToken.__slots__, "token"}


def test_a_backup_is_whole_private_and_overwrites_nothing(admin, tmp_path: Path):
    # auth service 55
    admin.orders()
    copy = tmp_path / "copy.db"
    made = admin.json("backup", str(copy))
    assert made["path"] == str(copy)
    assert made["bytes"] == copy.stat().st_size
    assert copy.stat().st_mode & 0o777 == 0o600
    assert b"orders-api" in copy.read_bytes()
    again = admin("backup", str(copy))
    assert again.returncode == ExitCode.REFUSED
    assert "overwrites nothing" in again.stderr
