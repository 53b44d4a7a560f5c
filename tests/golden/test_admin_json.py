"""``roomkey admin NOUN VERB --json`` and ``serve --check``: every verb, in one session on a fresh folder.

A file for each noun. Of the audit log, the latest event of each action is shown. Renew with
``pytest tests/golden --update-golden``.
"""

import json
import re
from pathlib import Path

import httpx2
import pytest
from tests.golden.backoffice import request_token
from tests.golden.command import Command, Transcript, names_in
from tests.golden.conftest import Golden

pytestmark = pytest.mark.slow

NOUNS = ("api", "app-token", "audit", "family", "keys", "service-account", "tenant", "token-request", "user")
PASSPHRASE = "seven green lanterns hum\n"
PUBLIC_JWK = {
    "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "importer-1",
    "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0", "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
}  # fmt: skip


class Session:
    """A transcript for each noun, all on the same data."""

    def __init__(self, folder: Path) -> None:
        self.command = Command(folder)
        known = {"home": str(self.command.folder)}
        self.transcripts = {noun: Transcript(self.command, ("admin", noun), known) for noun in NOUNS}
        self.transcripts |= {"backup": Transcript(self.command, ("admin",), known)}
        self.serve = Transcript(self.command, ("serve",), known)

    def __getitem__(self, noun: str) -> Transcript:
        return self.transcripts[noun]


def test_what_every_verb_prints_for_a_script_is_as_it_was(golden: Golden, tmp_path: Path) -> None:
    session = Session(tmp_path / "home")
    session.command.environment["ROOMKEY_SERVER_DATA"] = "data"
    apis_and_tenants(session)
    service_accounts(session)
    app_tokens(session)
    users(session)
    with session.command.serve() as issuer:
        token_requests(session, issuer)
        families(session, issuer)
    keys(session)
    audit(session)
    session["backup"]("backup", "copy.db")
    session["backup"]("backup", "copy.db")
    session.serve("--check")
    for noun, transcript in session.transcripts.items():
        if noun in NOUNS:
            verbs = set(names_in(session.command("admin", noun, "--help").out))
            shown = set(re.findall(rf"^\$ roomkey admin {noun} ([a-z-]+)", str(transcript), re.MULTILINE))
            assert verbs == shown, noun
    files = {f"{noun}.txt": str(transcript) for noun, transcript in session.transcripts.items()}
    golden.check("admin", files | {"serve_check.txt": str(session.serve)})


def apis_and_tenants(session: Session) -> None:
    api, tenant = session["api"], session["tenant"]
    tenant("create", "acme")
    tenant("list")
    tenant("create", "acme")
    api("create", "orders-api", "--scopes", "orders:read orders:write", "--token-lifetime", "5m")
    api("create", "legacy", "--scopes", "a", "--algorithm", "HS256", "--tenant", "acme", "--description", "Old one")
    api("show", "orders-api")
    changes = ("--add-scope", "orders:cancel=Cancel orders", "--remove-scope", "orders:write", "--needs-approval")
    api("change", "orders-api", *changes, "--longest-app-token", "7d", "--format", "opaque")
    api("change", "orders-api", "--format", "jwt")
    api("rotate-secret", "orders-api", "--overlap", "1h")
    api("rotate-shared-secret", "legacy")
    api("rotate-shared-secret", "orders-api")
    api("disable", "legacy")
    api("enable", "legacy")
    api("list")
    api("create", "orders-api", "--scopes", "x")
    api("create", "bad", "--scopes", 'quoted"scope')
    api("show", "none")


def service_accounts(session: Session) -> None:
    account, orders = session["service-account"], ("--apis", "orders-api", "--scopes", "orders:read")
    (session.command.folder / "public.jwks").write_text(json.dumps({"keys": [PUBLIC_JWK]}))
    account("create", "reports", *orders, "--default-scopes", "orders:read", "--roles", "exporter")
    account("create", "importer", *orders, "--authentication", "private_key_jwt", "--jwks", "public.jwks")
    web = ("--grants", "authorization_code,refresh_token", "--authentication", "none", "--native")
    account("create", "kiosk", *orders, *web, "--redirect-uri", "http://127.0.0.1/callback")
    account("create", "app", *orders, "--grants", "password,refresh_token", "--allows-password-with-mfa")
    account("show", "reports")
    account("change", "reports", "--description", "Weekly reports", "--scopes", "orders:read orders:cancel")
    account("change", "reports", "--apis", "orders-api", "--scopes", "orders:read orders:cancel")
    account("rotate-secret", "reports", "--overlap", "1h")
    account("show", "reports")
    account("disable", "importer")
    account("enable", "importer")
    account("list", "--api", "orders-api")
    account("create", "other", "--apis", "orders-api", "--scopes", "pay")
    account("show", "none")


def app_tokens(session: Session) -> None:
    token, orders = session["app-token"], ("reports", "--api", "orders-api", "--scopes", "orders:read")
    made = token("create", *orders, "--expires", "3d")
    token("create", *orders, "--format", "opaque", "--expires", "1d")
    new = token("rotate", made["id"], "--overlap", "1h")
    token("revoke", new["id"], "--reason", "leaked")
    token("revoke", new["id"])
    token("show", new["id"])
    token("list", "--account", "reports")
    token("list", "--all")
    token("create", *orders, "--expires", "30d")
    token("revoke", "tok_none")


def users(session: Session) -> None:
    user = session["user"]
    user("create", "alice", "--password-stdin", "--roles", "developer", stdin=PASSPHRASE)
    user("create", "bob", "--roles", "approver,auditor", "--tenant", "acme", "--scopes", "orders:read")
    user("show", "alice")
    user("change", "bob", "--roles", "auditor", "--scopes", "")
    user("set-password", "bob", "--password-stdin", stdin="nine blue kettles sing\n")
    user("reset-second-factor", "bob")
    user("end-sessions", "bob")
    user("disable", "bob")
    user("enable", "bob")
    user("list")
    user("create", "carol", "--password-stdin", stdin="short\n")
    user("create", "alice")
    user("delete", "bob")
    user("show", "none")


def token_requests(session: Session, issuer: str) -> None:
    request, ids = session["token-request"], []
    for note in ("Nightly export", "Just in case"):
        request_token(
            issuer, "alice", PASSPHRASE.strip(), account="reports", api="orders-api", scope="orders:read", note=note
        )
        pending = session.command.json("admin", "token-request", "list", "--state", "pending")
        (newest,) = (one["id"] for one in pending["token_requests"] if one["id"] not in ids)
        ids.append(newest)
    request("list", "--state", "pending")
    request("approve", ids[0], "--answer", "Go ahead")
    request("refuse", ids[1], "--answer", "No need")
    request("approve", ids[1])
    request("show", ids[1])
    request("list")


def families(session: Session, issuer: str) -> None:
    family = session["family"]
    secret = session.command.json("admin", "service-account", "rotate-secret", "app")["client_secret"]
    form = {"grant_type": "password", "username": "alice", "password": PASSPHRASE.strip(), "scope": "orders:read"}
    answer = httpx2.post(f"{issuer}/oauth2/token", data=form, auth=("app", secret))
    assert answer.status_code == 200, answer.text
    (held,) = family("list", "--account", "app", "--user", "alice")["families"]
    family("revoke", held["id"])
    family("list")
    family("revoke", "fam_none")


def keys(session: Session) -> None:
    key = session["keys"]
    (first,) = key("list")["keys"]
    key("rotate")
    key("rotate")
    key("rotate", "--now")
    key("rotate", "--algorithm", "EdDSA", "--now")
    key("withdraw", first["kid"])
    key("list", "--all")
    key("rotate-seal")
    key("withdraw", "key_none")


def audit(session: Session) -> None:
    log = session["audit"]
    log("verify")
    log("list", "--limit", "2", "--actor", "console", "--action", "app_token.")
    words = ("list", "--limit", "200")
    output = session.command("admin", "audit", *words, "--json")
    found = json.loads(output.out)
    latest = {event["action"]: event for event in reversed(found["events"])}
    found["events"] = [latest[action] for action in sorted(latest)]
    log.note((*words, "--json"), found, output)
