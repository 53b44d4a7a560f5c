from datetime import datetime

import httpx2
import pytest
from tests.support.issuer import ExtendedIssuer

from roomkey.testing import FakeClock


@pytest.fixture
def http():
    with httpx2.Client(timeout=5.0) as client:
        yield client


def credentials(issuer):
    return {"username": "alice", "password": issuer.user.password}


def test_nested_answers_three_levels_deep(http, issuer):
    issuer.refresh_tokens = True
    answer = http.post(issuer.login_endpoint("nested"), json=credentials(issuer))
    auth = answer.json()["data"]["auth"]
    assert (answer.status_code, auth["expiresIn"], answer.json()["status"]) == (200, 300, "ok")
    assert issuer.is_live(auth["token"])
    renewed = http.post(issuer.login_endpoint("nested-refresh"), json={"refreshToken": auth["refreshToken"]})
    assert issuer.is_live(renewed.json()["data"]["auth"]["token"])
    again = http.post(issuer.login_endpoint("nested-refresh"), json={"refreshToken": auth["refreshToken"]})
    assert again.status_code == 401


def test_bare_answers_the_token_alone(http, issuer):
    answer = http.post(issuer.login_endpoint("bare"), data=credentials(issuer))
    assert answer.headers["content-type"] == "text/plain"
    assert issuer.is_live(answer.text)


def test_quoted_answers_a_json_string(http, issuer):
    answer = http.post(issuer.login_endpoint("quoted"), json=credentials(issuer))
    assert answer.text.startswith('"')
    assert issuer.is_live(answer.json())


def test_header_takes_and_gives_headers(http, issuer):
    sent = {"x-username": "alice", "x-password": issuer.user.password}
    answer = http.post(issuer.login_endpoint("header"), headers=sent)
    assert (answer.status_code, answer.content, answer.headers["x-auth-expires-in"]) == (204, b"", "300")
    assert issuer.is_live(answer.headers["x-auth-token"])
    assert issuer.token_requests[0].authentication == "headers"


def test_dated_gives_the_expiry_as_an_iso_date(http):
    with ExtendedIssuer(lifetime=90, clock=FakeClock(wall=1_700_000_000.0)) as issuer:
        answer = http.post(issuer.login_endpoint("dated"), json=credentials(issuer)).json()
        assert datetime.fromisoformat(answer["validUntil"]).timestamp() == 1_700_000_090.0
        assert issuer.is_live(answer["access"])


def test_service_wants_a_live_app_token_and_the_user(http, issuer):
    url, app_token = issuer.login_endpoint("service"), issuer.issue()
    bare = http.post(url, json=credentials(issuer))
    assert bare.status_code == 401
    assert bare.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    headers = {"authorization": f"Bearer {app_token}"}
    answer = http.post(url, json=credentials(issuer), headers=headers)
    assert answer.json()["expiresInSeconds"] == 300
    assert issuer.is_live(answer.json()["userToken"])
    wrong = http.post(url, json=credentials(issuer) | {"password": "wrong"}, headers=headers)
    assert (wrong.status_code, "www-authenticate" in wrong.headers) == (401, False)
    issuer.revoke(app_token)
    assert http.post(url, json=credentials(issuer), headers=headers).status_code == 401
    assert [request.authentication for request in issuer.token_requests] == ["body", "bearer", "bearer", "bearer"]


@pytest.mark.parametrize("name", ["nested", "bare", "quoted", "header", "dated"])
def test_wrong_passwords_are_rejected_everywhere(http, issuer, name):
    for wrong in ({"username": "alice", "password": "wrong"}, {"username": "nobody", "password": "x"}, {}):
        assert http.post(issuer.login_endpoint(name), json=wrong).status_code == 401
    issuer.user.enabled = False
    assert http.post(issuer.login_endpoint(name), json=credentials(issuer)).status_code == 401


def test_logins_are_recorded_with_names_only_and_spoilt_by_faults(http, issuer):
    issuer.outage()
    assert http.post(issuer.login_endpoint("nested"), json=credentials(issuer)).status_code == 503
    request = issuer.token_requests[0]
    assert (request.grant_type, request.path) == ("custom_login", "/login/nested")
    assert request.parameters == (("username", "alice"), ("password", "••••"))
    assert issuer.user.password not in repr(request)


def test_an_unknown_login_is_a_mistake_in_the_test(http, issuer):
    with pytest.raises(KeyError):
        issuer.login_endpoint("telepathy")
    assert http.post(issuer.url + "/login/telepathy").status_code == 404
