"""Client authentication, by one method; the response is the same whatever is wrong."""

import base64
import random
import statistics
import time
from urllib.parse import quote_plus, urlencode

import httpx2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from tests.authorization_server.oauth_service import (
    CONSOLE,
    FORM,
    KeyPair,
    Login,
    OAuthService,
    asserted,
    basic,
    error_of,
    response_parts,
    second_node,
)

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.accounts.apis.commands import RotateApiSecret
from roomkey.authorization_server.accounts.service_accounts.commands import (
    DisableServiceAccount,
    EnableServiceAccount,
    ListAccountSecrets,
    RotateAccountSecret,
)
from roomkey.authorization_server.clients import assertion
from roomkey.authorization_server.clients.client_cache import ClientCache
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.schema import accounts as schema

TOKEN = {"grant_type": "client_credentials"}
REFUSED = (401, "invalid_client")
ONE_SERVICE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


class Strangers:
    """Clients that must be rejected, by what is wrong with them."""

    BY_SECRET = ("unknown", "wrong secret", "disabled", "wrong method", "an API")
    BY_KEY = ("wrong key", "key of nobody", "key for a secret", "unknown key")

    def __init__(self, oauth: OAuthService) -> None:
        self.oauth = oauth
        oauth.add_account("reports")
        wrong = secret_format.generate_secret(secret_format.SecretKind.CLIENT_SECRET).value
        self.logins = {
            "unknown": Login("nobody", wrong),
            "wrong secret": Login("reports", wrong),
            "disabled": oauth.add_account("disabled"),
            "wrong method": oauth.add_account("by-post", authentication="client_secret_post"),
            "an API": Login(oauth.api.client_id, wrong),
        }
        oauth.act(DisableServiceAccount, "disabled")
        self.pair, self.other, self.unnamed = KeyPair(), KeyPair(), KeyPair("two")
        oauth.add_account("by-key", authentication="private_key_jwt", jwks=self.pair.jwks)

    def send(self, name: str) -> httpx2.Response:
        if name in self.logins:
            return self.oauth.token(self.logins[name])
        pair, client_id = {
            "wrong key": (self.other, "by-key"),
            "key of nobody": (self.pair, "nobody"),
            "key for a secret": (self.pair, "reports"),
            "unknown key": (self.unnamed, "by-key"),
        }[name]
        issuer, now = self.oauth.service.settings.issuer, self.oauth.service.clock.wall()
        return self.oauth.post("/oauth2/token", asserted(pair.assertion(client_id, issuer, now=now)))


def test_whatever_is_wrong_with_a_client_the_response_is_the_same(oauth_on_each_database):  # auth service 1
    strangers = Strangers(oauth_on_each_database)
    answers = {name: response_parts(strangers.send(name)) for name in (*Strangers.BY_SECRET, *Strangers.BY_KEY)}
    for name, fields in {
        "nothing": {},
        "a name alone": {"client_id": "reports"},
        "another's secret": {"client_id": "reports", "client_secret": strangers.logins["wrong method"].secret},
        "another type": {"client_assertion": "a.b.c", "client_assertion_type": "saml"},
    }.items():
        answers[name] = response_parts(oauth_on_each_database.post("/oauth2/token", TOKEN | fields))
    assert len(set(answers.values())) == 1, answers
    assert next(iter(answers.values()))[0] == 401


@pytest.mark.parametrize("names", [Strangers.BY_SECRET, Strangers.BY_KEY], ids=["secret", "key"])
def test_whatever_is_wrong_with_a_client_the_same_is_queried_and_checked(  # auth service 1
    oauth, monkeypatch, names
):
    strangers, checked = Strangers(oauth), []
    check = assertion.check_signature

    def counted(compact, keys):
        checked.append(len(keys))
        return check(compact, keys)

    monkeypatch.setattr(
        assertion, "check_signature", lambda token, keys: (checked.append(len(keys)), check(token, keys))
    )
    uow = {}
    with oauth.statements() as seen:
        for name in names:
            assert error_of(strangers.send(name)) == REFUSED
            uow[name] = [*(statement.split("WHERE")[0] for statement in seen), *checked]
            seen.clear()
            checked.clear()
    assert all(one == uow[names[0]] and one for one in uow.values()), uow


@pytest.mark.parametrize("names", [Strangers.BY_SECRET, Strangers.BY_KEY], ids=["secret", "key"])
def test_the_times_of_rejections_overlap(oauth, names):  # auth service 1
    """All distributions lie over each other but for their ends; taken in turns, so that a busy machine slows all."""
    strangers = Strangers(oauth)
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(60):
        oauth.service.clock.advance(60)  # so that nobody has failed too often
        for name in random.sample(names, len(names)):
            begun = time.perf_counter()
            answer = strangers.send(name)
            times[name].append(time.perf_counter() - begun)
            assert error_of(answer) == REFUSED
    tenths = {name: statistics.quantiles(those, n=10) for name, those in times.items()}
    assert max(those[0] for those in tenths.values()) < min(those[-1] for those in tenths.values()), tenths


texts = st.text(max_size=40) | st.sampled_from(["\x00", "a\x00b", "é", "漢" * 500, "%", "+", ":", "a" * 4000])


@ONE_SERVICE
@given(st.binary(max_size=60) | st.sampled_from([b"\x00:\x00", b"\xff\xfe:x", b"reports", b":", b"a" * 5000 + b":"]))
@example(b"reports:%FF%00")
def test_any_bytes_as_basic_credentials_are_a_client_that_fails(oauth_on_each_database, raw):  # auth service 2
    oauth_on_each_database.service.clock.advance(5)
    for encoded in (base64.b64encode(raw), raw):
        words = [(b"authorization", b"Basic " + encoded), (b"content-type", FORM["content-type"].encode())]
        answer = oauth_on_each_database.ask("POST", "/oauth2/token", content=urlencode(TOKEN).encode(), headers=words)
        assert error_of(answer) == REFUSED


@ONE_SERVICE
@given(texts, texts)
def test_any_string_as_credentials_in_the_body_is_a_client_that_fails(
    oauth_on_each_database, client_id, secret
):  # auth service 2
    oauth_on_each_database.service.clock.advance(5)
    answer = oauth_on_each_database.post("/oauth2/token", TOKEN | {"client_id": client_id, "client_secret": secret})
    assert error_of(answer) == REFUSED


@pytest.mark.parametrize("words", ["Basic", "Basic ", "Basic ===", "Bearer abc", "basic cmVwb3J0cw==", "Negotiate x"])
def test_malformed_basic_credentials_fail(oauth, words):  # auth service 2
    assert error_of(oauth.post("/oauth2/token", TOKEN, authorization=words)) == REFUSED


def test_a_secret_of_a_megabyte_is_rejected_and_read_no_further_than_necessary(oauth):  # auth service 2
    answer = oauth.post("/oauth2/token", TOKEN | {"client_id": "reports", "client_secret": "s" * 1_000_000})
    assert error_of(answer) == (413, "invalid_request")


@pytest.mark.parametrize("secret", ["a:b", "a+b c", "100%", "%3A", "ü:%+", "a b"])
def test_credentials_round_trip_whatever_characters_they_have(oauth, secret):  # auth service 3
    oauth.add_account("reports")
    with oauth.service.unit_of_work(CONSOLE) as uow:
        uow.connection.execute(
            update(schema.account_secrets)
            .where(schema.account_secrets.c.client_id == "reports")
            .values(digest=secret_format.digest_of(secret))
        )
        uow.bump_config_version()
    assert oauth.token(Login("reports", secret)).status_code == 200


def test_a_secret_as_it_was_shown_needs_no_encoding(oauth):  # auth service 3
    reports = oauth.add_account()
    assert quote_plus(reports.secret) == reports.secret
    assert oauth.post("/oauth2/token", TOKEN, **basic("reports", reports.secret)).status_code == 200


def test_two_ways_of_authentication_are_one_too_many(oauth):  # auth service 4
    reports = oauth.add_account()
    pair = KeyPair()
    proof = asserted(pair.assertion("reports", "https://auth.example"))
    body = {"client_id": "reports", "client_secret": reports.secret}
    two_headers = [*FORM.items(), *reports.basic.items(), *reports.basic.items()]
    for answer in (
        oauth.post("/oauth2/token", TOKEN | body, reports),
        oauth.post("/oauth2/token", proof, reports),
        oauth.post("/oauth2/token", proof | body),
        oauth.ask("POST", "/oauth2/token", content=urlencode(TOKEN).encode(), headers=two_headers),
        oauth.post("/oauth2/token", TOKEN | {"client_id": "another"}, reports),
    ):
        assert error_of(answer) == (400, "invalid_request")


def test_a_parameter_without_a_value_is_no_second_way(oauth):
    """RFC 6749 section 3.2: it counts as absent; there are clients that send an empty secret along."""
    reports = oauth.add_account()
    empty = {"client_id": "reports", "client_secret": "", "client_assertion": "", "client_assertion_type": ""}
    assert oauth.post("/oauth2/token", TOKEN | empty, reports).status_code == 200


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"])
@pytest.mark.parametrize("query", ["grant_type=client_credentials", "token=x", "client_secret=s", "x"])
def test_nothing_is_read_from_the_url(oauth, path, query):  # auth service 4
    reports = oauth.add_account()
    answer = oauth.post(f"{path}?{query}", TOKEN | {"token": "x"}, reports)
    assert error_of(answer) == (400, "invalid_request")


def test_an_account_without_a_secret_is_not_authenticated(oauth):  # auth service 6
    oauth.add_account()
    oauth.act(
        lambda uow: (uow.connection.execute(delete(schema.account_secrets)), uow.bump_config_version()),
    )
    for secret in ("", "null", "None", "\x00" * 32):
        assert error_of(oauth.token(Login("reports", secret))) == REFUSED
        answer = oauth.post("/oauth2/token", TOKEN | {"client_id": "reports", "client_secret": secret})
        assert error_of(answer) == REFUSED
    assert error_of(oauth.token(Login("roomkey-admin", ""))) == REFUSED


def test_a_rotated_secret_expires_on_its_second(oauth_on_each_database, clock):  # auth service 7, 60
    old = oauth_on_each_database.add_account()
    assert oauth_on_each_database.token(old).status_code == 200
    made = oauth_on_each_database.act(RotateAccountSecret, "reports", overlap=60)
    new = Login("reports", made.client_secret.value)
    clock.advance(59)
    assert oauth_on_each_database.token(old).status_code == oauth_on_each_database.token(new).status_code == 200
    clock.advance(1)
    assert made.old_until == int(clock.wall())
    assert error_of(oauth_on_each_database.token(old)) == REFUSED
    assert oauth_on_each_database.token(new).status_code == 200
    with oauth_on_each_database.service.look(CONSOLE) as uow:  # the row is still there: no cleaner did this
        assert (
            len(
                uow.connection.execute(
                    select(schema.account_secrets.c.digest).where(schema.account_secrets.c.client_id == "reports")
                ).all()
            )
            == 2
        )


@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"])
def test_a_secret_that_was_replaced_at_once_is_rejected_at_every_endpoint(oauth, path):  # auth service 7
    """This node has cached the account with the old secret."""
    old = oauth.api if path == "/oauth2/introspect" else oauth.add_account()
    whose = oauth.add_account("another")
    token = oauth.token(whose).json()["access_token"]
    fields = TOKEN | {"token": token}
    assert oauth.post(path, fields, old).status_code == 200
    with second_node(oauth.service) as other, other.service.unit_of_work(CONSOLE) as uow:
        if old is oauth.api:
            RotateApiSecret("orders-api", overlap=0)(uow)
        else:
            RotateAccountSecret(old.client_id, overlap=0)(uow)
    assert error_of(oauth.post(path, fields, old)) == REFUSED


def test_a_disabled_account_is_rejected_at_once_on_every_node_and_cannot_enable_itself(
    oauth_on_each_database,
):  # auth service 8
    reports = oauth_on_each_database.add_account()
    with second_node(oauth_on_each_database.service) as other:
        assert oauth_on_each_database.token(reports).status_code == other.token(reports).status_code == 200
        oauth_on_each_database.act(DisableServiceAccount, "reports")
        for node in (oauth_on_each_database, other):
            assert error_of(node.token(reports)) == REFUSED
            assert error_of(node.post("/oauth2/token", TOKEN | {"enabled": "1", "disabled_at": ""}, reports)) == REFUSED
        oauth_on_each_database.act(EnableServiceAccount, "reports")
        assert oauth_on_each_database.token(reports).status_code == other.token(reports).status_code == 200


def test_a_secret_that_expires_while_it_is_checked_is_rejected(oauth, monkeypatch):
    """Between the two queries of an account that is not cached."""
    reports = oauth.add_account()
    read = ClientCache.read

    async def rotated_first(directory, client_id):
        await directory._service.perform(CONSOLE, RotateAccountSecret("reports", overlap=0))
        return await read(directory, client_id)

    monkeypatch.setattr(ClientCache, "read", rotated_first)
    assert error_of(oauth.token(reports)) == REFUSED


def test_accounts_that_change_all_the_time_are_an_outage_and_no_rejection(oauth, monkeypatch):
    reports = oauth.add_account()
    read = ClientCache.read

    async def changed_after(directory, client_id):
        client = await read(directory, client_id)
        await directory._service.perform(CONSOLE, lambda uow: uow.bump_config_version())
        return client

    monkeypatch.setattr(ClientCache, "read", changed_after)
    answer = oauth.token(reports)
    assert error_of(answer) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"] == "2"


def test_many_failures_from_one_address_are_limited_and_stop_no_cached_client(oauth, clock):
    reports = oauth.add_account()
    assert oauth.token(reports).status_code == 200
    answers = [oauth.token(Login("nobody", "x")).status_code for _ in range(80)]
    assert answers == [401] * 60 + [429] * 20
    assert oauth.token(reports).status_code == 200
    clock.advance(1)
    assert [oauth.token(Login("nobody", "x")).status_code for _ in range(3)] == [401, 401, 429]


def test_many_valid_clients_at_one_address_are_no_failures(oauth):
    """After every change each account is read once; a fleet behind one address is not slowed down by that."""
    reports = oauth.add_account()
    for _ in range(80):
        oauth.act(lambda uow: uow.bump_config_version())
        assert oauth.token(reports).status_code == 200
    for number in range(80):
        assert oauth.token(oauth.add_account(f"reports-{number}")).status_code == 200


def test_valid_clients_at_once_on_a_node_with_an_empty_cache_are_no_failures(oauth):
    reports = oauth.add_account()
    answers = oauth.together(64, reports, grant_type="client_credentials")
    assert {answer.status_code for answer in answers} == {200}


def test_an_outage_counts_as_no_failure_of_the_client(oauth, monkeypatch):  # auth service 55
    reports = oauth.add_account()

    async def failing(*_, **__):
        raise DatabaseUnavailable("The database cannot be used now.")

    with monkeypatch.context() as outage:
        outage.setattr(type(oauth.service.database), "read", failing)
        assert {oauth.token(reports).status_code for _ in range(80)} == {503}
    assert oauth.token(reports).status_code == 200


def test_a_secret_that_came_by_the_wrong_method_was_not_used(oauth):
    by_post = oauth.add_account("by-post", authentication="client_secret_post")
    assert error_of(oauth.token(by_post)) == REFUSED
    oauth.run(oauth.app.state.last_used.write())
    assert oauth.act(ListAccountSecrets, "by-post").items[0].last_used_at is None
    fields = {"client_id": "by-post", "client_secret": by_post.secret}
    assert oauth.post("/oauth2/token", TOKEN | fields).status_code == 200
    oauth.run(oauth.app.state.last_used.write())
    assert oauth.act(ListAccountSecrets, "by-post").items[0].last_used_at == int(oauth.service.clock.wall())
