"""openid-client, a certified client of npm, and jose, its validator."""

from pathlib import Path
from typing import Any

import pytest
from tests.authorization_server.interop.auth_service import BACK, SCOPES, SIGNED, InteropService
from tests.authorization_server.oauth_service import PASSWORD, Login
from tests.node import answer_of, need_packages

pytestmark = pytest.mark.npm

FOLDER = Path(__file__).parent
SCOPE = "orders:read"


@pytest.fixture(scope="module", autouse=True)
def npm() -> None:
    need_packages(FOLDER, "the tests with openid-client and jose")


def run(service: InteropService, program: str, **asked: Any) -> Any:
    return answer_of(FOLDER / "programs" / f"{program}.mjs", {"issuer": service.issuer, "scope": SCOPE} | asked)


def by(login: Login, method: str = "client_secret_basic") -> dict[str, Any]:
    return {"client_id": login.client_id, "secret": login.secret, "method": method}


def test_both_well_known_addresses_are_found(service: InteropService) -> None:
    found = run(service, "discovery")
    for name in ("token", "introspection", "revocation", "authorization"):
        assert found["oauth2"][f"{name}_endpoint"].startswith(f"{service.issuer}/oauth2/")
    assert found["oauth2"] == found["oidc"]
    assert found["oauth2"]["response_types_supported"] == ["code"]


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_a_client_gets_a_token_for_itself(service: InteropService, method: str) -> None:
    logins = {
        "client_secret_basic": service.by_basic,
        "client_secret_post": service.by_post,
        "private_key_jwt": service.by_key,
    }
    login = by(logins[method], method) | {"key": service.key.as_dict(private=True)}
    tokens = run(service, "client_credentials", login=login, resource="orders-api")
    assert (tokens["token_type"], tokens["scope"]) == ("bearer", SCOPE)
    assert 290 <= tokens["expiresIn"] <= 300
    assert service.introspected(tokens["access_token"])["client_id"] == logins[method].client_id


def test_an_error_response_names_the_error(service: InteropService) -> None:
    refused = run(service, "refusals", login=by(service.by_basic))
    assert refused["secret"]["status"] == 401
    assert (refused["scope"]["status"], refused["scope"]["error"]) == (400, "invalid_scope")
    assert (refused["refresh"]["status"], refused["refresh"]["error"]) == (400, "invalid_grant")


def test_a_users_token_is_refreshed_introspected_and_revoked(service: InteropService) -> None:  # auth service 27
    person = {"username": "alice", "password": PASSWORD, "scope": SCOPE, "resource": "orders-api"}
    seen = run(service, "person", login=by(service.by_basic), api=by(service.api), person=person)
    assert seen["second"]["refresh_token"] != seen["first"]["refresh_token"]
    assert (seen["told"]["active"], seen["told"]["username"], seen["told"]["scope"]) == (True, "alice", SCOPE)
    assert seen["signed"] == seen["told"]
    assert seen["after"] == {"active": False}
    assert seen["refused"]["error"] == "invalid_grant"


@pytest.mark.parametrize("app", ["phone", "site"])
def test_a_user_authorizes_a_client_in_a_browser(service: InteropService, app: str) -> None:  # auth service 18
    login = by(service.phone, "none") if app == "phone" else by(service.site)
    kept = run(service, "authorization_url", login=login, redirect_uri=BACK)
    back = service.allowed(kept["address"])
    seen = run(service, "authorization_code", login=login, back=back, verifier=kept["verifier"], state=kept["state"])
    assert seen["elsewhere"]["code"] == "OAUTH_INVALID_RESPONSE"
    assert seen["unnamed"]["code"] == "OAUTH_INVALID_RESPONSE"
    assert seen["tokens"]["scope"] == SCOPE
    assert seen["tokens"]["refresh_token"]
    assert seen["again"]["error"] == "invalid_grant"
    assert service.introspected(seen["tokens"]["access_token"]) == {"active": False}  # the second use has ended it


@pytest.mark.parametrize("audience", list(SIGNED))
def test_jose_takes_a_token_for_its_api_and_no_other(service: InteropService, audience: str) -> None:  # auth service 20
    tokens = [service.token(audience)]
    service.rotate(SIGNED[audience])
    tokens.append(service.token(audience))
    seen = run(
        service,
        "validation",
        jwks_uri=service.at("jwks"),
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
