"""private_key_jwt: one signed assertion, for this server, for a short time, valid once on all nodes together."""

import json

import pytest
from tests.authorization_server.oauth_service import (
    CONSOLE,
    KeyPair,
    OAuthService,
    asserted,
    both,
    error_of,
    second_node,
)

from roomkey.authorization_server.accounts.service_accounts.commands import ChangeServiceAccount
from roomkey.jose import base64url
from roomkey.jose.signing_key import HMACKey

TOKEN = "/oauth2/token"
REFUSED = (401, "invalid_client")


class Robot:
    """An account with a key, and the assertions that it sends."""

    def __init__(self, oauth: OAuthService, client_id: str = "robot") -> None:
        self.oauth, self.client_id, self.pair = oauth, client_id, KeyPair()
        oauth.add_account(client_id, authentication="private_key_jwt", jwks=self.pair.jwks)

    @property
    def now(self) -> float:
        return self.oauth.service.clock.wall()

    def proof(self, **claims: object) -> str:
        issuer = self.oauth.service.settings.issuer
        return self.pair.assertion(self.client_id, issuer, **({"now": self.now} | claims))

    def send(self, assertion: str, **fields: str) -> tuple[int, str]:
        answer = self.oauth.post(TOKEN, asserted(assertion, **fields))
        return (200, "") if answer.status_code == 200 else error_of(answer)


@pytest.fixture
def robot(oauth: OAuthService) -> Robot:
    return Robot(oauth)


def test_an_assertion_is_valid_once_on_all_nodes_together(oauth_on_each_database):  # auth service 5
    robot = Robot(oauth_on_each_database)
    with second_node(oauth_on_each_database.service) as other:
        proof = asserted(robot.proof())
        assert oauth_on_each_database.post(TOKEN, proof).status_code == 200
        for node in (oauth_on_each_database, other, oauth_on_each_database):
            assert error_of(node.post(TOKEN, proof)) == REFUSED
        assert other.post(TOKEN, asserted(robot.proof(jti="j-2"))).status_code == 200


def test_of_an_assertion_sent_many_times_at_once_one_is_accepted(oauth_on_each_database):  # auth service 5
    robot = Robot(oauth_on_each_database)
    with second_node(oauth_on_each_database.service) as other:
        for number, node in enumerate((oauth_on_each_database, other, oauth_on_each_database)):
            answers = node.together(8, None, **asserted(robot.proof(jti=f"burst-{number}")))
            statuses = [answer.status_code for answer in answers if answer.status_code != 401]
            assert statuses == [200], [answer.text for answer in answers]


def test_a_jti_of_another_client_does_not_count(oauth):  # auth service 5
    one, two = Robot(oauth), Robot(oauth, "other-robot")
    assert one.send(one.proof(jti="same"))[0] == two.send(two.proof(jti="same"))[0] == 200


def test_an_assertion_stays_used_as_long_as_it_is_valid(robot, clock):  # auth service 5, 60
    proof = robot.proof(exp=int(robot.now) + 300)
    assert robot.send(proof)[0] == 200
    for _ in range(11):
        clock.advance(30)
        assert robot.send(proof) == REFUSED


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.example"},
        {"aud": "http://127.0.0.1:8400/"},
        {"aud": "http://127.0.0.1:8400/oauth2/introspect"},
        {"aud": ["http://127.0.0.1:8400", "https://other.example"]},
        {"aud": []},
        {"aud": None},
        {"aud": 1},
        {"iss": "other"},
        {"iss": None},
        {"sub": "reports"},
        {"jti": None},
        {"jti": ""},
        {"jti": 1},
        {"jti": "j" * 257},
        {"exp": None},
        {"exp": "1700000060"},
        {"exp": 1_700_000_331},
        {"exp": 10**19},
        {"exp": 1_699_999_970},
        {"iat": 1_700_000_031},
        {"nbf": 1_700_000_031},
        {"nbf": True},
        {"sub": "ro\x00bot"},
        {"sub": ["robot"]},
    ],
    ids=str,
)
def test_a_wrong_claim_is_rejected(robot, claims):  # auth service 5
    robot.oauth.add_account("reports")
    assert robot.send(robot.proof(**claims)) == REFUSED
    assert robot.send(robot.proof(jti="good"))[0] == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "http://127.0.0.1:8400/oauth2/token"},
        {"aud": ["http://127.0.0.1:8400"]},
        {"exp": 1_700_000_330},
        {"exp": 1_699_999_971},
        {"iat": 1_700_000_030},
        {"iat": None},
    ],
    ids=str,
)
def test_what_standards_and_clocks_allow_is_accepted(robot, claims):  # auth service 5, 60
    assert robot.send(robot.proof(**claims))[0] == 200


def test_algorithm_none_and_a_shared_secret_are_rejected(robot):  # auth service 5
    header, payload, _ = robot.proof().split(".")
    for algorithm in ("none", "None", "HS256", "RS1", "ES256K"):
        forged = base64url.encode(json.dumps({"alg": algorithm, "kid": "one"}).encode()).decode()
        for signature in ("", "AAAA", "A" * 86):
            assert robot.send(f"{forged}.{payload}.{signature}") == REFUSED
    confused = HMACKey(robot.pair.jwks.encode())
    assert robot.send(confused.sign({"iss": "robot", "sub": "robot"}, typ="JWT")) == REFUSED
    assert robot.send(f"{header}.{payload}.{'A' * 86}") == REFUSED


def test_the_key_of_another_client_is_rejected(oauth):  # auth service 5
    robot, other = Robot(oauth), Robot(oauth, "other-robot")
    stolen = other.pair.assertion("robot", oauth.service.settings.issuer, now=robot.now)
    assert robot.send(stolen) == REFUSED
    assert robot.send(other.proof(jti="x"), client_id="robot") == REFUSED


def test_a_client_with_a_key_cannot_fall_back_to_a_secret(oauth):  # auth service 5
    reports = oauth.add_account()
    assert oauth.token(reports).status_code == 200
    pair = KeyPair()
    oauth.act(ChangeServiceAccount, "reports", authentication="private_key_jwt", jwks=pair.jwks)
    assert error_of(oauth.token(reports)) == REFUSED
    body = {"grant_type": "client_credentials", "client_id": "reports", "client_secret": reports.secret}
    assert error_of(oauth.post(TOKEN, body)) == REFUSED
    proof = pair.assertion("reports", oauth.service.settings.issuer, now=oauth.service.clock.wall())
    assert oauth.post(TOKEN, asserted(proof)).status_code == 200


def test_a_key_that_was_replaced_on_another_node_is_rejected_here(oauth):  # auth service 5
    robot = Robot(oauth)
    assert robot.send(robot.proof())[0] == 200
    new = KeyPair()
    with second_node(oauth.service) as other, other.service.unit_of_work(CONSOLE) as uow:
        ChangeServiceAccount("robot", jwks=new.jwks)(uow)
    assert robot.send(robot.proof(jti="j-2")) == REFUSED
    fresh = new.assertion("robot", oauth.service.settings.issuer, now=robot.now, jti="j-3")
    assert robot.send(fresh)[0] == 200


def test_accounts_that_change_meanwhile_do_not_use_an_assertion_up_twice(oauth):
    """The request is checked again; the assertion was used by this very request."""
    robot = Robot(oauth)
    for number in range(3):
        oauth.act(lambda uow: uow.bump_config_version())
        assert robot.send(robot.proof(jti=f"j-{number}"))[0] == 200


def test_introspection_and_revocation_take_assertions_too(oauth):
    robot = Robot(oauth)
    token = oauth.post(TOKEN, asserted(robot.proof())).json()["access_token"]
    assert oauth.post("/oauth2/revoke", asserted(robot.proof(jti="j-2"), token=token)).status_code == 200
    assert not oauth.active(oauth.api, token)


def test_two_at_once_on_two_nodes(oauth_on_each_database):  # auth service 5
    """Each node in a loop of its own would take turns; one loop over both applications does not."""
    robot = Robot(oauth_on_each_database)
    with second_node(oauth_on_each_database.service) as other:
        proof = asserted(robot.proof())
        sets = oauth_on_each_database.run(
            both(oauth_on_each_database.all_of(4, None, **proof), other.all_of(4, None, **proof))
        )
        statuses = sorted(answer.status_code for answers in sets for answer in answers)
        assert statuses == [200] + [401] * 7
