import hashlib
import time

import pytest

import roomkey
from roomkey.testing import DPoPKey, FakeClock, Issuer, ProtectedAPI


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_a_live_token_is_let_in_and_named(http, issuer, api):
    answer = http.get(api.url + "/orders", headers=bearer(issuer.issue(subject="alice", scope="orders:read")))
    assert answer.status_code == 200
    assert answer.json() == {
        "method": "GET", "path": "/orders", "subject": "alice", "client_id": "reports", "scope": "orders:read",
    }  # fmt: skip


def test_no_token_gets_a_challenge_without_an_error_code(http, api):
    answer = http.get(api.url + "/orders")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'


def test_expired_and_revoked_tokens_get_invalid_token(http):
    clock = FakeClock()
    with Issuer(lifetime=60, clock=clock) as issuer, ProtectedAPI(issuer) as api, Issuer(clock=clock) as other:
        head, payload, signature = issuer.issue().split(".")
        revoked, ended = issuer.issue(), issuer.issue(lifetime=-1)
        issuer.revoke(revoked)
        forged = f"{head}.{payload}.{signature[:-4]}AAAA"
        for token in (revoked, ended, forged, other.issue(), "nonsense"):
            answer = http.get(api.url, headers=bearer(token))
            assert answer.status_code == 401
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        held = issuer.issue()
        assert http.get(api.url, headers=bearer(held)).status_code == 200
        clock.advance(60.5)
        assert http.get(api.url, headers=bearer(held)).status_code == 401


def test_the_signature_and_exp_are_checked_and_not_only_the_ledger(http, issuer, api):
    head, payload, signature = issuer.issue().split(".")
    authorization = issuer.ledger.access(f"{head}.{payload}.{signature}").authorization
    forged = f"{head}.{payload}.{signature[:-4]}AAAA"
    issuer.ledger.add_access(forged, authorization, 300)
    assert issuer.is_live(forged)
    assert http.get(api.url, headers=bearer(forged)).status_code == 401
    token = issuer.issue(lifetime=5)
    assert http.get(api.url, headers=bearer(token)).status_code == 200
    issuer.date_offset = 7
    assert issuer.is_live(token)
    assert http.get(api.url, headers=bearer(token)).status_code == 401


def test_with_a_validator_it_rejects_as_any_api_that_roomkey_protects(http, issuer, validator):
    with ProtectedAPI(validator=validator) as api:
        good, narrow = issuer.issue(scope="orders:read"), issuer.issue(scope="orders:write")
        answer = http.get(api.url + "/scoped/orders:read", headers=bearer(good))
        assert answer.json() | {"client_id": "reports", "scope": "orders:read"} == answer.json()
        refused = http.get(api.url + "/scoped/orders:read", headers=bearer(narrow))
        assert refused.status_code == 403
        assert 'scope="orders:read"' in refused.headers["www-authenticate"]
        assert http.get(api.url).headers["www-authenticate"] == "Bearer"
        assert http.get(api.url, headers=bearer("nonsense")).status_code == 401
        assert http.get(f"{api.url}/?access_token={good}", headers=bearer(good)).status_code == 400
        assert http.get(api.url + "/public").status_code == 200
        issuer.revoke(good)  # which a signature does not show
        assert http.get(api.url, headers=bearer(good)).status_code == 200
        api.forbid = True
        assert http.get(api.url + "/scoped/orders:read", headers=bearer(narrow)).json() == {"error": "forbidden"}
        api.rejects = lambda token: token == good
        assert http.get(api.url, headers=bearer(good)).status_code == 401
        assert not api.failures


def test_with_a_validator_that_takes_dpop_it_wants_the_proof_of_a_bound_token(http, issuer):
    key, dpop = DPoPKey(), roomkey.DPoP("https://orders.example")
    validator = roomkey.TokenValidator(issuer=issuer.url, audience=issuer.audience, dpop=dpop)
    token = issuer.token(cnf=key.confirmation)
    with ProtectedAPI(validator=validator) as api:
        proven = key.headers("GET", "https://orders.example/caf%C3%A9", token)
        assert http.get(api.url + "/caf%C3%A9?page=2", headers=proven).status_code == 200
        again = http.get(api.url + "/caf%C3%A9", headers=proven)
        assert (again.status_code, again.json()["error"]) == (401, "invalid_dpop_proof")
        assert http.get(api.url, headers=bearer(token)).headers["www-authenticate"].startswith("DPoP error=")
        assert not api.failures


def test_a_token_for_another_audience_is_rejected(http, issuer):
    with ProtectedAPI(issuer, audience="billing") as api:
        assert http.get(api.url, headers=bearer(issuer.issue())).status_code == 401
        issuer.opaque = True
        assert http.get(api.url, headers=bearer(issuer.issue())).status_code == 401
        issuer.audience = "billing"
        assert http.get(api.url, headers=bearer(issuer.issue())).status_code == 200


def test_the_challenge_can_be_missing_or_anything(http, issuer, api):
    token = issuer.issue()
    issuer.revoke(token)
    api.challenge = False
    assert "www-authenticate" not in http.get(api.url, headers=bearer(token)).headers
    api.challenge = 'Basic realm="x", BEARER error="invalid_token"'
    assert http.get(api.url, headers=bearer(token)).headers["www-authenticate"] == api.challenge


def test_all_or_some_valid_tokens_can_be_rejected(http, issuer, api):
    first, second = issuer.issue(), issuer.issue()
    api.rejects = lambda token: token == first
    assert [http.get(api.url, headers=bearer(token)).status_code for token in (first, second)] == [401, 200]
    api.reject_all = True
    api.rejection_status = 403
    assert http.get(api.url, headers=bearer(second)).status_code == 403


def test_a_missing_scope_is_insufficient_and_is_named(http, issuer, api):
    token = issuer.issue(scope="orders:read")
    assert http.get(api.url + "/scoped/orders:read", headers=bearer(token)).status_code == 200
    answer = http.get(api.url + "/scoped/orders:write", headers=bearer(token))
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="orders:write"'
    api.required_scope = "admin"
    assert 'scope="admin"' in http.get(api.url, headers=bearer(token)).headers["www-authenticate"]


def test_plain_403_has_no_challenge(http, issuer, api):
    api.forbid = True
    answer = http.get(api.url, headers=bearer(issuer.issue()))
    assert answer.status_code == 403
    assert "www-authenticate" not in answer.headers


def test_an_error_can_hide_in_a_200(http, issuer, api):
    api.error_in_body = True
    token = issuer.issue()
    assert "errors" not in http.get(api.url, headers=bearer(token)).json()
    issuer.revoke(token)
    answer = http.get(api.url, headers=bearer(token))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (200, "TOKEN_EXPIRED")


@pytest.mark.parametrize("chunked", [False, True])
def test_echo_tells_length_and_digest_of_the_body(http, issuer, api, chunked):
    body = b"0123456789" * 50_000
    content = (body[start : start + 9_999] for start in range(0, len(body), 9_999)) if chunked else body
    answer = http.put(api.url + "/echo", content=content, headers=bearer(issuer.issue())).json()
    assert (answer["length"], answer["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert api.requests[0].body_length == len(body)
    assert api.requests[0].body_digest == answer["sha256"]


def test_redirects_go_to_itself_or_elsewhere(http, issuer, api):
    with ProtectedAPI() as elsewhere:
        own = http.get(api.url + "/redirect", headers=bearer(issuer.issue()), follow_redirects=True)
        assert (own.status_code, own.json()["path"]) == (200, "/landed")
        away = http.post(f"{api.url}/redirect?status=308&to={elsewhere.url}/new", follow_redirects=True)
        assert (away.status_code, away.json()) == (200, {"method": "POST", "path": "/new"})
    assert [(request.path, request.status) for request in api.requests] == [
        ("/redirect", 307), ("/landed", 200), ("/redirect", 308),
    ]  # fmt: skip


def test_a_foreign_host_takes_everybody_and_sees_whether_a_token_came(http, issuer):
    with ProtectedAPI() as foreign:
        token = issuer.issue()
        assert http.get(foreign.url + "/a").status_code == 200
        assert http.get(foreign.url + "/b", headers=bearer(token)).status_code == 200
        foreign.reject_all = True
        assert http.get(foreign.url + "/c").status_code == 401
    assert [request.had_token for request in foreign.requests] == [False, True, False]
    assert [request.carried(token) for request in foreign.requests] == [False, True, False]
    assert not foreign.requests[1].carried(token + "x")


def test_records_say_what_came_but_not_the_token(http, issuer, api):
    token = issuer.issue()
    before = time.monotonic()
    http.post(api.url + "/orders?a=1&a=2", content=b"abc", headers=bearer(token) | {"x-trace": "7"})
    http.get(api.url + "/public")
    first, second = api.requests
    assert (first.method, first.path, first.query, first.status) == ("POST", "/orders", (("a", "1"), ("a", "2")), 200)
    assert (first.token_digest, second.token_digest) == (hashlib.sha256(token.encode()).hexdigest(), None)
    assert ("x-trace", "7") in first.headers
    assert before <= first.arrived <= time.monotonic()
    assert token not in repr(api.requests)
    assert second.status == 200
