import base64
import json
import time

import pytest

from roomkey.testing import FakeClock, Issuer


def test_client_credentials_give_an_rfc_9068_token(http, ask):
    with Issuer(lifetime=60) as issuer:
        answer = ask(issuer, grant_type="client_credentials", scope="orders:read")
        members = answer.json()
        claims = issuer.keys.claims(members["access_token"])
        header = json.loads(base64.urlsafe_b64decode(members["access_token"].split(".")[0] + "=="))
        jwks = http.get(issuer.url + "/oauth2/jwks").json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (members["token_type"], members["expires_in"], members["scope"]) == ("Bearer", 60, "orders:read")
    assert "refresh_token" not in members
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    assert [key["kid"] for key in jwks["keys"]] == [header["kid"]]
    assert claims.keys() == {"iss", "sub", "aud", "client_id", "scope", "jti", "iat", "exp"}
    assert (claims["iss"], claims["sub"], claims["aud"], claims["client_id"], claims["scope"]) == (
        issuer.url, "reports", "orders-api", "reports", "orders:read",
    )  # fmt: skip
    assert claims["iat"] <= time.time() < claims["iat"] + 5
    assert claims["exp"] - claims["iat"] in (60, 61)


def test_a_token_that_was_changed_is_not_verified():
    with Issuer() as issuer:
        head, payload, signature = issuer.issue().split(".")
    other = "A" if signature[0] != "A" else "B"
    assert issuer.keys.claims(f"{head}.{payload}.{other}{signature[1:]}") is None
    assert issuer.keys.claims(f"{head}.{payload[:-4]}.{signature}") is None
    assert issuer.keys.claims("nonsense") is None


def test_each_answer_has_another_token_and_each_request_is_recorded_without_its_secrets(ask):
    with Issuer() as issuer:
        before = time.monotonic()
        tokens = {ask(issuer, grant_type="client_credentials").json()["access_token"] for _ in range(3)}
        requests = list(issuer.token_requests)
        secret = issuer.client.client_secret
    assert len(tokens) == len(requests) == 3
    first = requests[0]
    assert (first.path, first.grant_type, first.client_id, first.authentication) == (
        "/oauth2/token", "client_credentials", "reports", "client_secret_post",
    )  # fmt: skip
    assert first.parameter("client_secret") == "••••"
    assert before <= first.arrived <= time.monotonic()
    assert secret not in repr(requests)


def test_only_forms_are_taken_and_only_by_post(http):
    with Issuer() as issuer:
        assert http.post(issuer.token_endpoint, json={"grant_type": "client_credentials"}).status_code == 400
        assert http.get(issuer.token_endpoint).status_code == 405
        assert http.get(issuer.url + "/elsewhere").status_code == 404


def test_a_rotated_secret_replaces_the_old_one(ask):
    with Issuer() as issuer:
        old = issuer.client.client_secret
        new = issuer.rotate_client_secret("reports")
        assert ask(issuer, grant_type="client_credentials", client_secret=old).status_code == 401
        assert ask(issuer, grant_type="client_credentials", client_secret=new).status_code == 200
        assert {old, new} <= set(issuer.secret_values)


def test_opaque_tokens_carry_nothing(ask):
    with Issuer(opaque=True) as issuer:
        token = ask(issuer, grant_type="client_credentials").json()["access_token"]
        assert "." not in token
        assert issuer.is_live(token)


def test_tokens_die_by_time_and_by_revocation(http):
    clock = FakeClock()
    with Issuer(lifetime=10, clock=clock) as issuer:
        first, second, third = (issuer.issue(lifetime=10) for _ in range(3))
        assert issuer.revoke(first)
        assert not issuer.revoke("unknown")
        answer = http.post(
            issuer.revocation_endpoint, data={"token": second}, auth=("reports", issuer.client.client_secret)
        )
        assert answer.status_code == 200
        assert [issuer.is_live(token) for token in (first, second, third)] == [False, False, True]
        clock.advance(9.9)
        assert issuer.is_live(third)
        clock.advance(0.2)
        assert not issuer.is_live(third)


def test_revocation_wants_the_clients_secret(http):
    with Issuer() as issuer:
        token = issuer.issue()
        assert http.post(issuer.revocation_endpoint, data={"token": token, "client_id": "reports"}).status_code == 401
        assert issuer.is_live(token)
        issuer.revoke_all()
        assert not issuer.is_live(token)


def test_same_token_comes_back_with_the_seconds_that_it_has_left(ask):
    clock = FakeClock()
    with Issuer(lifetime=100, same_token=True, clock=clock) as issuer:
        first = ask(issuer, grant_type="client_credentials").json()
        clock.advance(40)
        second = ask(issuer, grant_type="client_credentials").json()
        other = ask(issuer, grant_type="client_credentials", scope="orders:read").json()
        clock.advance(61)
        third = ask(issuer, grant_type="client_credentials").json()
    assert (second["access_token"], second["expires_in"]) == (first["access_token"], 60)
    assert other["access_token"] != first["access_token"]
    assert third["access_token"] != first["access_token"]
    assert third["expires_in"] == 100


def test_shape_changes_what_is_sent(ask):
    with Issuer() as issuer:
        issuer.shape = lambda members: {**members, "expires_in": "3600.0"}
        assert ask(issuer, grant_type="client_credentials").json()["expires_in"] == "3600.0"


def test_a_wrong_clock_shows_in_the_date_header_and_in_the_claims(ask):
    clock = FakeClock(wall=1_700_000_000.0)
    with Issuer(lifetime=60, date_offset=-3600, clock=clock) as issuer:
        answer = ask(issuer, grant_type="client_credentials")
        claims = issuer.keys.claims(answer.json()["access_token"])
        assert answer.headers["date"] == "Tue, 14 Nov 2023 21:13:20 GMT"
        assert (claims["iat"], claims["exp"]) == (1_699_996_400, 1_699_996_460)
        assert issuer.is_live(answer.json()["access_token"])


@pytest.mark.parametrize(
    ("path", "documents"),
    [
        ("", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
        ("/t/1", ["/.well-known/oauth-authorization-server/t/1", "/t/1/.well-known/openid-configuration"]),
    ],
)
def test_both_kinds_of_metadata_name_the_issuer_and_its_endpoints(http, path, documents, ask):
    with Issuer(path=path) as issuer:
        for document in documents:
            metadata = http.get(issuer.origin + document).json()
            assert metadata["issuer"] == issuer.url == issuer.origin + path
            assert metadata["token_endpoint"] == issuer.token_endpoint
        assert ask(issuer, grant_type="client_credentials").status_code == 200
        assert issuer.other_requests == [("GET", document) for document in documents]
        issuer.metadata_paths = ("openid",)
        issuer.claimed_issuer = "https://elsewhere.example"
        assert http.get(issuer.origin + documents[0]).status_code == 404
        assert http.get(issuer.origin + documents[1]).json()["issuer"] == "https://elsewhere.example"


def test_disabled_clients_and_users_are_rejected(ask):
    with Issuer() as issuer:
        token = issuer.issue()
        issuer.user.enabled = False
        form = {"grant_type": "password", "username": "alice", "password": issuer.user.password}
        assert ask(issuer, **form).json() == {"error": "invalid_grant"}
        issuer.client.enabled = False
        assert ask(issuer, grant_type="client_credentials").json() == {"error": "invalid_client"}
        assert not issuer.is_live(token)


def test_no_repr_shows_a_secret(sign_in):
    with Issuer(refresh_tokens=True) as issuer:
        sign_in(issuer)
        shown = "".join(
            repr(thing)
            for thing in (
                issuer, issuer.ledger, issuer.client, issuer.user, issuer.token_requests,
                *issuer.ledger._access.values(), *issuer.ledger._refresh.values(),
            )
        )  # fmt: skip
        assert len(issuer.secret_values) == 4
        assert not [secret for secret in issuer.secret_values if secret in shown]


def test_the_fixture_fails_a_test_in_which_the_server_itself_failed(ask):
    from roomkey.testing.fixtures import issuer as fixture

    running = fixture.__wrapped__()
    issuer = next(running)
    issuer.shape = lambda members: {"not": object()}
    assert ask(issuer, grant_type="client_credentials").status_code == 500
    with pytest.raises(AssertionError, match="POST /oauth2/token: TypeError"):
        next(running)
