import base64
import json
import time
from urllib.parse import quote_plus

import httpx2
import pytest

from roomkey.testing import FakeClock, Issuer
from roomkey.testing.signing import verified_claims


@pytest.fixture
def http():
    with httpx2.Client(timeout=5.0) as client:
        yield client


def ask(http, issuer, **form):
    credentials = {"client_id": "reports", "client_secret": issuer.client.client_secret}
    return http.post(issuer.token_endpoint, data=credentials | form)


def signed_in(http, issuer):
    answer = ask(http, issuer, grant_type="password", username="alice", password=issuer.user.password)
    return answer.json()


def test_client_credentials_give_an_rfc_9068_token(http):
    with Issuer(lifetime=60) as issuer:
        answer = ask(http, issuer, grant_type="client_credentials", scope="orders:read")
        members = answer.json()
        claims = verified_claims(members["access_token"])
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


def test_a_token_that_was_changed_is_not_verified(http):
    with Issuer() as issuer:
        head, payload, signature = issuer.issue().split(".")
    other = "A" if signature[0] != "A" else "B"
    assert verified_claims(f"{head}.{payload}.{other}{signature[1:]}") is None
    assert verified_claims(f"{head}.{payload[:-4]}.{signature}") is None
    assert verified_claims("nonsense") is None


def test_each_answer_has_another_token_and_each_request_is_recorded_without_its_secrets(http):
    with Issuer() as issuer:
        before = time.monotonic()
        tokens = {ask(http, issuer, grant_type="client_credentials").json()["access_token"] for _ in range(3)}
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


@pytest.mark.parametrize("secret", ["plain", "a:b%c+d e", "пароль€", "%41"])
def test_client_secret_basic_is_form_decoded(http, secret):
    with Issuer() as issuer:
        issuer.add_client("a client:1", secret)
        pair = f"{quote_plus('a client:1')}:{quote_plus(secret)}"
        headers = {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        answer = http.post(issuer.token_endpoint, data={"grant_type": "client_credentials"}, headers=headers)
        assert answer.status_code == 200
        assert issuer.token_requests[0].authentication == "client_secret_basic"
        assert issuer.token_requests[0].client_id == "a client:1"


def test_a_server_that_wants_basic_raw_takes_percent_signs_as_they_are(http):
    with Issuer() as issuer:
        issuer.basic_form_encoded = False
        issuer.add_client("raw", "a%41+b")
        headers = {"authorization": "Basic " + base64.b64encode(b"raw:a%41+b").decode()}
        form = {"grant_type": "client_credentials"}
        assert http.post(issuer.token_endpoint, data=form, headers=headers).status_code == 200
        issuer.basic_form_encoded = True
        refused = http.post(issuer.token_endpoint, data=form, headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused.headers["www-authenticate"].startswith("Basic ")


def test_a_public_client_names_itself_without_a_secret(http):
    with Issuer() as issuer:
        issuer.add_client("app", public=True)
        form = {"grant_type": "password", "client_id": "app", "username": "alice", "password": issuer.user.password}
        assert http.post(issuer.token_endpoint, data=form).status_code == 200
        assert issuer.token_requests[0].authentication == "none"
        assert http.post(issuer.token_endpoint, data=form | {"client_secret": "any"}).status_code == 401
        alone = http.post(issuer.token_endpoint, data={"grant_type": "client_credentials", "client_id": "app"})
    assert alone.json() == {"error": "unauthorized_client"}


def test_a_client_can_be_limited_to_one_authentication_method(http):
    with Issuer() as issuer:
        issuer.add_client("strict", "s3cr3t-of-strict", authentication="client_secret_basic")
        form = {"grant_type": "client_credentials"}
        posted = {"client_id": "strict", "client_secret": "s3cr3t-of-strict"}
        assert http.post(issuer.token_endpoint, data=form | posted).json() == {"error": "invalid_client"}
        basic = http.post(issuer.token_endpoint, data=form, auth=("strict", "s3cr3t-of-strict"))
    assert basic.status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "client_credentials", "client_secret": "wrong"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "nobody"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "scope": "orders:read admin"}, 400, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": ["a", "b"]}, 400, "invalid_request"),
        ({"grant_type": "password", "username": "alice", "password": "wrong"}, 400, "invalid_grant"),
        ({"grant_type": "password", "username": "nobody", "password": "wrong"}, 400, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "unknown"}, 400, "invalid_grant"),
        ({"grant_type": "telepathy"}, 400, "unsupported_grant_type"),
        ({}, 400, "invalid_request"),
    ],
)
def test_wrong_requests_get_the_error_of_rfc_6749(http, form, status, error):
    with Issuer() as issuer:
        answer = ask(http, issuer, **form)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_two_ways_of_authentication_at_once_are_invalid(http, issuer):
    form = {"grant_type": "client_credentials", "client_secret": issuer.client.client_secret}
    answer = http.post(issuer.token_endpoint, data=form, auth=("reports", issuer.client.client_secret))
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})


def test_a_grant_that_the_client_may_not_use_is_unauthorized(http):
    with Issuer() as issuer:
        issuer.add_client("reports", issuer.client.client_secret, grants=["password"])
        assert ask(http, issuer, grant_type="client_credentials").json() == {"error": "unauthorized_client"}


def test_only_forms_are_taken_and_only_by_post(http):
    with Issuer() as issuer:
        assert http.post(issuer.token_endpoint, json={"grant_type": "client_credentials"}).status_code == 400
        assert http.get(issuer.token_endpoint).status_code == 405
        assert http.get(issuer.url + "/elsewhere").status_code == 404


def test_audience_and_repeated_resources_become_aud(http):
    with Issuer() as issuer:
        one = ask(http, issuer, grant_type="client_credentials", audience="billing").json()
        two = ask(http, issuer, grant_type="client_credentials", resource=["https://a", "https://b"]).json()
    assert verified_claims(one["access_token"])["aud"] == "billing"
    assert verified_claims(two["access_token"])["aud"] == ["https://a", "https://b"]


def test_a_rotated_secret_replaces_the_old_one(http):
    with Issuer() as issuer:
        old = issuer.client.client_secret
        new = issuer.rotate_client_secret("reports")
        assert ask(http, issuer, grant_type="client_credentials", client_secret=old).status_code == 401
        assert ask(http, issuer, grant_type="client_credentials", client_secret=new).status_code == 200
        assert {old, new} <= set(issuer.secret_values)


def test_opaque_tokens_carry_nothing(http):
    with Issuer(opaque=True) as issuer:
        token = ask(http, issuer, grant_type="client_credentials").json()["access_token"]
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


def test_refresh_tokens_rotate_and_a_replay_ends_the_sign_in(http):
    with Issuer(refresh_tokens=True) as issuer:
        first = signed_in(http, issuer)
        second = ask(http, issuer, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
        assert second["refresh_token"] != first["refresh_token"]
        assert verified_claims(second["access_token"])["sub"] == "alice"
        assert issuer.token_requests[-1].refresh_token_digest is not None
        time.sleep(0.01)
        replay = ask(http, issuer, grant_type="refresh_token", refresh_token=first["refresh_token"])
        assert replay.json() == {"error": "invalid_grant"}
        after = ask(http, issuer, grant_type="refresh_token", refresh_token=second["refresh_token"])
        assert after.json() == {"error": "invalid_grant"}
        assert not issuer.is_live(second["access_token"])


def test_a_spent_refresh_token_works_within_the_grace(http):
    clock = FakeClock()
    with Issuer(refresh_tokens=True, reuse_grace=10, clock=clock) as issuer:
        spent = signed_in(http, issuer)["refresh_token"]
        assert ask(http, issuer, grant_type="refresh_token", refresh_token=spent).status_code == 200
        clock.advance(9.9)
        assert ask(http, issuer, grant_type="refresh_token", refresh_token=spent).status_code == 200
        clock.advance(0.2)
        assert ask(http, issuer, grant_type="refresh_token", refresh_token=spent).status_code == 400


def test_without_rotation_a_refresh_gives_no_new_refresh_token(http):
    with Issuer(refresh_tokens=True, rotate_refresh_tokens=False, refresh_lifetime=900) as issuer:
        first = signed_in(http, issuer)
        assert first["refresh_expires_in"] == 900
        for _ in range(2):
            answer = ask(http, issuer, grant_type="refresh_token", refresh_token=first["refresh_token"])
            assert answer.status_code == 200
            assert "refresh_token" not in answer.json()


def test_a_refresh_may_narrow_the_scope_but_not_widen_it_and_dies_with_the_sign_in(http):
    with Issuer(refresh_tokens=True, rotate_refresh_tokens=False) as issuer:
        spent = signed_in(http, issuer)["refresh_token"]
        narrow = ask(http, issuer, grant_type="refresh_token", refresh_token=spent, scope="orders:read").json()
        wide = ask(http, issuer, grant_type="refresh_token", refresh_token=spent, scope="admin")
        assert narrow["scope"] == "orders:read"
        assert wide.json() == {"error": "invalid_scope"}
        issuer.revoke(spent)
        assert not issuer.is_live(narrow["access_token"])


def test_a_refresh_token_of_another_client_is_refused(http):
    with Issuer(refresh_tokens=True) as issuer:
        other = issuer.add_client("other")
        spent = signed_in(http, issuer)["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": spent}
        stolen = http.post(issuer.token_endpoint, data=form, auth=("other", other.client_secret))
        assert stolen.json() == {"error": "invalid_grant"}


def test_same_token_comes_back_with_the_seconds_that_it_has_left(http):
    clock = FakeClock()
    with Issuer(lifetime=100, same_token=True, clock=clock) as issuer:
        first = ask(http, issuer, grant_type="client_credentials").json()
        clock.advance(40)
        second = ask(http, issuer, grant_type="client_credentials").json()
        other = ask(http, issuer, grant_type="client_credentials", scope="orders:read").json()
        clock.advance(61)
        third = ask(http, issuer, grant_type="client_credentials").json()
    assert (second["access_token"], second["expires_in"]) == (first["access_token"], 60)
    assert other["access_token"] != first["access_token"]
    assert third["access_token"] != first["access_token"]
    assert third["expires_in"] == 100


def test_shape_changes_what_is_sent(http):
    with Issuer() as issuer:
        issuer.shape = lambda members: {**members, "expires_in": "3600.0"}
        assert ask(http, issuer, grant_type="client_credentials").json()["expires_in"] == "3600.0"


def test_a_wrong_clock_shows_in_the_date_header_and_in_the_claims(http):
    clock = FakeClock(wall=1_700_000_000.0)
    with Issuer(lifetime=60, date_offset=-3600, clock=clock) as issuer:
        answer = ask(http, issuer, grant_type="client_credentials")
        claims = verified_claims(answer.json()["access_token"])
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
def test_both_kinds_of_metadata_name_the_issuer_and_its_endpoints(http, path, documents):
    with Issuer(path=path) as issuer:
        for document in documents:
            metadata = http.get(issuer.origin + document).json()
            assert metadata["issuer"] == issuer.url == issuer.origin + path
            assert metadata["token_endpoint"] == issuer.token_endpoint
        assert ask(http, issuer, grant_type="client_credentials").status_code == 200
        assert issuer.other_requests == [("GET", document) for document in documents]
        issuer.metadata_paths = ("openid",)
        issuer.claimed_issuer = "https://elsewhere.example"
        assert http.get(issuer.origin + documents[0]).status_code == 404
        assert http.get(issuer.origin + documents[1]).json()["issuer"] == "https://elsewhere.example"


def test_disabled_clients_and_users_are_refused(http):
    with Issuer() as issuer:
        token = issuer.issue()
        issuer.user.enabled = False
        form = {"grant_type": "password", "username": "alice", "password": issuer.user.password}
        assert ask(http, issuer, **form).json() == {"error": "invalid_grant"}
        issuer.client.enabled = False
        assert ask(http, issuer, grant_type="client_credentials").json() == {"error": "invalid_client"}
        assert not issuer.is_live(token)


def test_no_repr_shows_a_secret(http):
    with Issuer(refresh_tokens=True) as issuer:
        signed_in(http, issuer)
        shown = "".join(
            repr(thing)
            for thing in (
                issuer, issuer.ledger, issuer.client, issuer.user, issuer.token_requests,
                *issuer.ledger._access.values(), *issuer.ledger._refresh.values(),
            )
        )  # fmt: skip
        assert len(issuer.secret_values) == 4
        assert not [secret for secret in issuer.secret_values if secret in shown]


def test_the_fixture_fails_a_test_in_which_the_server_itself_failed(http):
    from roomkey.testing.fixtures import issuer as fixture

    running = fixture.__wrapped__()
    issuer = next(running)
    issuer.shape = lambda members: {"not": object()}
    assert ask(http, issuer, grant_type="client_credentials").status_code == 500
    with pytest.raises(AssertionError, match="POST /oauth2/token: TypeError"):
        next(running)
