import base64
import time
from urllib.parse import quote_plus

import pytest

from roomkey.testing import FakeClock, Issuer


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
        ({"grant_type": None}, 400, "invalid_request"),
    ],
)
def test_wrong_requests_get_the_error_of_rfc_6749(form, status, error, ask):
    with Issuer() as issuer:
        answer = ask(issuer, **form)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_two_ways_of_authentication_at_once_are_invalid(http, issuer):
    form = {"grant_type": "client_credentials", "client_secret": issuer.client.client_secret}
    answer = http.post(issuer.token_endpoint, data=form, auth=("reports", issuer.client.client_secret))
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})


def test_a_grant_that_the_client_may_not_use_is_unauthorized(ask):
    with Issuer() as issuer:
        issuer.add_client("reports", issuer.client.client_secret, grants=["password"])
        assert ask(issuer, grant_type="client_credentials").json() == {"error": "unauthorized_client"}


def test_audience_and_repeated_resources_become_aud(ask):
    with Issuer() as issuer:
        one = ask(issuer, grant_type="client_credentials", audience="billing").json()
        two = ask(issuer, grant_type="client_credentials", resource=["https://a", "https://b"]).json()
    assert issuer.keys.claims(one["access_token"])["aud"] == "billing"
    assert issuer.keys.claims(two["access_token"])["aud"] == ["https://a", "https://b"]


def test_refresh_tokens_rotate_and_a_replay_revokes_the_sign_in(ask, sign_in):
    with Issuer(refresh_tokens=True) as issuer:
        first = sign_in(issuer)
        second = ask(issuer, grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
        assert second["refresh_token"] != first["refresh_token"]
        assert issuer.keys.claims(second["access_token"])["sub"] == "alice"
        assert issuer.token_requests[-1].refresh_token_digest is not None
        time.sleep(0.01)
        replay = ask(issuer, grant_type="refresh_token", refresh_token=first["refresh_token"])
        assert replay.json() == {"error": "invalid_grant"}
        after = ask(issuer, grant_type="refresh_token", refresh_token=second["refresh_token"])
        assert after.json() == {"error": "invalid_grant"}
        assert not issuer.is_live(second["access_token"])


def test_a_spent_refresh_token_works_within_the_grace(ask, sign_in):
    clock = FakeClock()
    with Issuer(refresh_tokens=True, reuse_grace=10, clock=clock) as issuer:
        spent = sign_in(issuer)["refresh_token"]
        assert ask(issuer, grant_type="refresh_token", refresh_token=spent).status_code == 200
        clock.advance(9.9)
        assert ask(issuer, grant_type="refresh_token", refresh_token=spent).status_code == 200
        clock.advance(0.2)
        assert ask(issuer, grant_type="refresh_token", refresh_token=spent).status_code == 400


def test_without_rotation_a_refresh_gives_no_new_refresh_token(ask, sign_in):
    with Issuer(refresh_tokens=True, rotate_refresh_tokens=False, refresh_lifetime=900) as issuer:
        first = sign_in(issuer)
        assert first["refresh_expires_in"] == 900
        for _ in range(2):
            answer = ask(issuer, grant_type="refresh_token", refresh_token=first["refresh_token"])
            assert answer.status_code == 200
            assert "refresh_token" not in answer.json()


def test_a_refresh_may_narrow_the_scope_but_not_widen_it_and_dies_with_the_sign_in(ask, sign_in):
    with Issuer(refresh_tokens=True, rotate_refresh_tokens=False) as issuer:
        spent = sign_in(issuer)["refresh_token"]
        narrow = ask(issuer, grant_type="refresh_token", refresh_token=spent, scope="orders:read").json()
        wide = ask(issuer, grant_type="refresh_token", refresh_token=spent, scope="admin")
        assert narrow["scope"] == "orders:read"
        assert wide.json() == {"error": "invalid_scope"}
        issuer.revoke(spent)
        assert not issuer.is_live(narrow["access_token"])


def test_a_refresh_token_of_another_client_is_rejected(http, sign_in):
    with Issuer(refresh_tokens=True) as issuer:
        other = issuer.add_client("other")
        spent = sign_in(issuer)["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": spent}
        stolen = http.post(issuer.token_endpoint, data=form, auth=("other", other.client_secret))
        assert stolen.json() == {"error": "invalid_grant"}
