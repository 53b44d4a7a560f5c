"""openid-client, a certified client of npm, and jose, its validator."""

from pathlib import Path
from typing import Any

import pytest
from tests.authorization_server.interop.front_desk import BACK, SCOPES, SIGNED, FrontDesk
from tests.authorization_server.oauth_world import PASSWORD, Login
from tests.node import answer_of, need_packages

FOLDER = Path(__file__).parent
SCOPE = "orders:read"


@pytest.fixture(scope="module", autouse=True)
def npm() -> None:
    need_packages(FOLDER, "the tests with openid-client and jose")


def run(desk: FrontDesk, program: str, **asked: Any) -> Any:
    return answer_of(FOLDER / "programs" / f"{program}.mjs", {"issuer": desk.issuer, "scope": SCOPE} | asked)


def by(login: Login, method: str = "client_secret_basic") -> dict[str, Any]:
    return {"client_id": login.client_id, "secret": login.secret, "method": method}


def test_both_well_known_addresses_are_found(desk: FrontDesk) -> None:
    found = run(desk, "discovery")
    for name in ("token", "introspection", "revocation", "authorization"):
        assert found["oauth2"][f"{name}_endpoint"].startswith(f"{desk.issuer}/oauth2/")
    assert found["oauth2"] == found["oidc"]
    assert found["oauth2"]["response_types_supported"] == ["code"]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_an_app_gets_a_token_for_itself(desk: FrontDesk, method: str) -> None:
    logins = {"client_secret_basic": desk.by_basic, "client_secret_post": desk.by_post, "private_key_jwt": desk.by_key}
    login = by(logins[method], method) | {"key": desk.key.as_dict(private=True)}
    tokens = run(desk, "client_credentials", login=login, resource="orders-api")
    assert (tokens["token_type"], tokens["scope"]) == ("bearer", SCOPE)
    assert 290 <= tokens["expiresIn"] <= 300
    assert desk.introspected(tokens["access_token"])["client_id"] == logins[method].client_id


def test_a_refusal_says_what_is_wrong(desk: FrontDesk) -> None:
    refused = run(desk, "refusals", login=by(desk.by_basic))
    assert refused["secret"]["status"] == 401
    assert (refused["scope"]["status"], refused["scope"]["error"]) == (400, "invalid_scope")
    assert (refused["refresh"]["status"], refused["refresh"]["error"]) == (400, "invalid_grant")


def test_a_persons_token_is_refreshed_introspected_and_revoked(desk: FrontDesk) -> None:  # auth service 27
    person = {"username": "alice", "password": PASSWORD, "scope": SCOPE, "resource": "orders-api"}
    seen = run(desk, "person", login=by(desk.by_basic), api=by(desk.api), person=person)
    assert seen["second"]["refresh_token"] != seen["first"]["refresh_token"]
    assert (seen["told"]["active"], seen["told"]["username"], seen["told"]["scope"]) == (True, "alice", SCOPE)
    assert seen["signed"] == seen["told"]
    assert seen["after"] == {"active": False}
    assert seen["refused"]["error"] == "invalid_grant"


@pytest.mark.parametrize("app", ["phone", "site"])
def test_a_person_allows_an_app_by_way_of_their_browser(desk: FrontDesk, app: str) -> None:  # auth service 18
    login = by(desk.phone, "none") if app == "phone" else by(desk.site)
    kept = run(desk, "authorization_url", login=login, redirect_uri=BACK)
    back = desk.allowed(kept["address"])
    seen = run(desk, "authorization_code", login=login, back=back, verifier=kept["verifier"], state=kept["state"])
    assert seen["elsewhere"]["code"] == "OAUTH_INVALID_RESPONSE"
    assert seen["unnamed"]["code"] == "OAUTH_INVALID_RESPONSE"
    assert seen["tokens"]["scope"] == SCOPE
    assert seen["tokens"]["refresh_token"]
    assert seen["again"]["error"] == "invalid_grant"
    assert desk.introspected(seen["tokens"]["access_token"]) == {"active": False}  # the second use has ended it


@pytest.mark.parametrize("audience", list(SIGNED))
def test_jose_takes_a_token_for_its_api_and_no_other(desk: FrontDesk, audience: str) -> None:  # auth service 20
    tokens = [desk.token(audience)]
    desk.rotate(SIGNED[audience])
    tokens.append(desk.token(audience))
    seen = run(
        desk,
        "validation",
        jwks_uri=desk.at("jwks"),
        audience=audience,
        algorithm=SIGNED[audience],
        tokens=tokens,
    )
    assert (seen["header"]["typ"], seen["header"]["alg"]) == ("at+jwt", SIGNED[audience])
    assert (seen["claims"]["client_id"], seen["claims"]["scope"]) == ("by-basic", SCOPES[audience])
    assert seen["later"] == 1
    assert seen["refused"] == {
        "audience": "ERR_JWT_CLAIM_VALIDATION_FAILED",
        "issuer": "ERR_JWT_CLAIM_VALIDATION_FAILED",
        "typ": "ERR_JWT_CLAIM_VALIDATION_FAILED",
        "algorithms": "ERR_JOSE_ALG_NOT_ALLOWED",
    }
