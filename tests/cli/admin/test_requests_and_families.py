"""``roomkey admin token-request``, ``family`` and ``user end-sessions``: what people began, and its end."""

from pathlib import Path

import pytest
from tests.cli.admin.conftest import Admin

from roomkey.authorization_server.accounts.service_accounts.commands import GetServiceAccount
from roomkey.authorization_server.accounts.token_requests.commands import RequestAppToken
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.identity import sessions
from roomkey.authorization_server.identity.commands import CreateUser
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.tokens import refresh_tokens
from roomkey.authorization_server.tokens.issue import TokenGrant

CONSOLE = Actor.console()


def _begun(data: Path) -> tuple[list[str], str, str]:
    """Two requests of carol's, a family and a session of hers: their ids, and the cookie."""
    with Service.open(Settings.at(data)) as service:
        with service.unit_of_work(CONSOLE) as uow:
            carol = CreateUser(username="carol", roles=["developer"])(uow)
        with service.unit_of_work(carol.actor()) as uow:
            order = {"client_id": "reports", "audience": "orders-api", "scopes": ["orders:read"], "lifetime": 3600}
            asked = [RequestAppToken(**order, note=note)(uow).id for note in ("one", "two")]
            begun = sessions.begin(uow, carol, stage=Stage.FULL)
        family_id = refresh_tokens.new_family_id()
        grant = TokenGrant(
            client_id="reports", audience="orders-api", scope=("orders:read",), user_id=carol.id, family_id=family_id
        )
        with service.unit_of_work(CONSOLE) as uow:
            refresh_tokens.start_family(uow, grant)
            assert GetServiceAccount("reports")(uow).owner_id is None
        return asked, family_id, begun.cookie.value


@pytest.mark.slow
@pytest.mark.slow
def test_requests_are_listed_and_answered(admin: Admin):
    admin.orders()
    (one, two), _, _ = _begun(admin.data)
    pending = admin.json("token-request", "list", "--state", "pending")["token_requests"]
    assert {request["id"] for request in pending} == {one, two}
    assert admin.json("token-request", "approve", one)["state"] == "approved"
    assert admin.json("token-request", "refuse", two, "--answer", "No need")["answer"] == "No need"
    again = admin("token-request", "approve", two)
    assert again.returncode != 0
    assert "refused" in again.stderr
    assert "approved" in admin("token-request", "list").stdout


@pytest.mark.slow
@pytest.mark.slow
def test_families_are_listed_and_revoked(admin: Admin):
    admin.orders()
    _, family, _ = _begun(admin.data)
    for words in ((), ("--account", "reports"), ("--user", "carol")):
        assert [one["id"] for one in admin.json("family", "list", *words)["families"]] == [family]
    assert admin.json("family", "list", "--account", "orders-api")["families"] == []
    assert admin.json("family", "revoke", family)["reason"] == "revoked by hand"
    assert "revoked" in admin("family", "list").stdout
    assert admin("family", "revoke", "fam_none").returncode != 0


def test_a_user_is_signed_out_everywhere(admin: Admin):
    admin.orders()
    cookie = _begun(admin.data)[2]
    assert admin("user", "end-sessions", "carol").returncode == 0
    with Service.open(Settings.at(admin.data)) as service, service.look(CONSOLE) as uow:
        assert sessions.look_up(uow, cookie) is None
