"""What the test issuer offers to those who protect an API."""

import pytest

import roomkey
from roomkey.jose import KeySet, verify_compact
from roomkey.resource_server.status_list import read_status_list
from roomkey.testing import Issuer, attack_tokens
from roomkey.testing.issuer_keys import ALGORITHMS


def test_a_token_has_the_claims_that_are_given(issuer) -> None:
    claims = issuer.keys.claims(issuer.token(sub="alice", scope="a b", tenant="acme", jti=None))
    assert (claims["sub"], claims["scope"], claims["tenant"], claims["iss"]) == ("alice", "a b", "acme", issuer.url)
    assert "jti" not in claims
    assert claims["exp"] > claims["iat"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_rotates_to_a_key_of_any_algorithm(issuer, http, algorithm) -> None:
    before = issuer.token()
    kid = issuer.keys.rotate(algorithm)
    published = http.get(issuer.url + "/oauth2/jwks").json()
    assert [jwk["kid"] for jwk in published["keys"]][-1] == kid
    keys = KeySet.static(published)
    assert verify_compact(issuer.token(), keys, algorithms=[algorithm])
    assert verify_compact(before, keys, algorithms=["ES256"])


def test_a_withdrawn_key_is_published_no_more(issuer, http) -> None:
    old = issuer.keys.signing.key_id
    issuer.keys.rotate()
    issuer.keys.withdraw(old)
    assert [jwk["kid"] for jwk in http.get(issuer.url + "/oauth2/jwks").json()["keys"]] == ["key-1"]
    issuer.keys.rotate(withdraw=True)
    assert [jwk["kid"] for jwk in http.get(issuer.url + "/oauth2/jwks").json()["keys"]] == ["key-2"]


def test_the_keys_of_two_issuers_can_differ(issuer) -> None:
    with Issuer() as other:
        other.keys.rotate("RS256", withdraw=True)
        assert issuer.keys.claims(other.token()) is None


def test_introspection_answers_authenticated_clients_only(issuer, http) -> None:
    api = issuer.add_client("orders-api")
    token = issuer.token(scope="orders:read")

    def ask(**form: object) -> object:
        return http.post(issuer.introspection_endpoint, data={"token": token} | form)

    assert ask().status_code == 401
    assert ask(client_id="orders-api", client_secret="wrong").status_code == 401
    proof = {"client_id": "orders-api", "client_secret": api.client_secret}
    answer = ask(**proof).json()
    assert (answer["active"], answer["scope"], answer["client_id"]) == (True, "orders:read", "reports")
    issuer.revoke(token)
    assert ask(**proof).json() == {"active": False}
    assert http.get(issuer.introspection_endpoint).status_code == 400


def test_introspection_knows_opaque_tokens_and_answers_no_public_client(issuer, http) -> None:
    issuer.opaque = True
    proof = {"client_id": "reports", "client_secret": issuer.client.client_secret}
    answer = http.post(issuer.introspection_endpoint, data={"token": issuer.issue(scope="orders:read")} | proof).json()
    assert (answer["active"], answer["scope"], answer["sub"]) == (True, "orders:read", "reports")
    assert http.post(issuer.introspection_endpoint, data={"token": "x"} | proof).json() == {"active": False}
    issuer.add_client("browser", public=True)
    assert http.post(issuer.introspection_endpoint, data={"token": "x", "client_id": "browser"}).status_code == 401


def test_its_lists_name_what_was_revoked_and_suspended(issuer, http) -> None:
    issuer.status_claims, issuer.lists.bits = True, 2
    tokens = [issuer.token() for _ in range(4)]
    issuer.revoke(tokens[3])
    issuer.lists.suspended.add(1)
    claims = issuer.keys.claims(tokens[3])
    assert claims["status"]["status_list"] == {"idx": 3, "uri": issuer.lists.status_list_uri}
    status, denied = (http.get(url) for url in (issuer.lists.status_list_uri, issuer.lists.deny_list_url))
    assert status.headers["content-type"] == "application/statuslist+jwt"
    assert denied.headers["content-type"] == "application/denylist+jwt"
    assert issuer.keys.claims(denied.text)["jti"] == {claims["jti"]: claims["exp"]}
    published = issuer.keys.claims(status.text)
    statuses = read_status_list(published, issuer.lists.status_list_uri)
    assert [statuses.at(index) for index in range(4)] == [0, 2, 0, 1]


@pytest.mark.parametrize(
    ("name", "path"),
    [("metadata", "/.well-known/openid-configuration"), ("status_list", "/oauth2/status-list"),
     ("deny_list", "/oauth2/deny-list")],
)  # fmt: skip
def test_each_endpoint_can_be_out_of_order_by_itself(issuer, http, ask, name, path) -> None:
    issuer.faulty = {name}
    issuer.outage(502)
    assert http.get(issuer.url + path).status_code == 502
    assert ask(issuer).status_code == 200
    issuer.recover()
    assert http.get(issuer.url + path).status_code == 200


def test_the_metadata_names_the_endpoint(issuer, http) -> None:
    metadata = http.get(issuer.url + "/.well-known/openid-configuration").json()
    assert metadata["introspection_endpoint"] == issuer.introspection_endpoint


def test_faults_concern_the_endpoints_that_are_named(issuer, http, ask) -> None:
    issuer.outage(503)
    assert http.get(issuer.url + "/oauth2/jwks").status_code == 200
    issuer.faulty = {"keys"}
    assert http.get(issuer.url + "/oauth2/jwks").status_code == 503
    assert ask(issuer).status_code == 200
    assert issuer.other_requests.count(("GET", "/oauth2/jwks")) == 2


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_attacks_are_attacks_whatever_the_issuer_signs_with(issuer, algorithm) -> None:
    issuer.keys.rotate(algorithm)
    validator = roomkey.TokenValidator(issuer=issuer.url, audience=issuer.audience)
    validator.validate(issuer.token())
    for attack in attack_tokens(issuer):
        with pytest.raises(roomkey.InvalidToken):
            validator.validate(attack.token)


def test_every_attack_has_a_name_of_its_own(issuer) -> None:
    attacks = list(attack_tokens(issuer))
    assert len({attack.name for attack in attacks}) == len(attacks) > 100
    assert all(attack.token not in repr(attack) for attack in attacks if attack.token)


def test_a_bad_validator_would_take_some_of_them(issuer) -> None:
    """Each family is wrong in one way only: who checks nothing but the signature takes the wrong claims."""
    keys = KeySet.static(issuer.keys.jwks())
    taken = []
    for attack in attack_tokens(issuer):
        try:
            verify_compact(attack.token, keys, algorithms=["ES256"])
            taken.append(attack.name)
        except roomkey.InvalidToken:
            pass
    assert {"claims: expired", "claims: another aud", "typ JWT", "payload: NaN"} <= set(taken)
    assert not [name for name in taken if name.startswith(("alg", "HS256", "a foreign key"))]


def test_the_fixture_validates_the_issuers_tokens(issuer, validator) -> None:
    assert validator.validate(issuer.token()).subject == "reports"
