"""Independent validators in Python, which know the service by its JWK set alone."""

import httpx2
import jwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.errors import InvalidClaimError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry
from tests.authorization_server.interop.auth_service import SIGNED, InteropService

pytestmark = pytest.mark.slow


@pytest.fixture(params=list(SIGNED))
def audience(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def keys(service: InteropService) -> jwt.PyJWKClient:
    return jwt.PyJWKClient(service.at("jwks"), cooldown_duration=0)


def validated(service: InteropService, keys: jwt.PyJWKClient, token: str, audience: str) -> dict[str, object]:
    """What PyJWT reads in ``token`` as an API named ``audience`` would."""
    required = ["exp", "iat", "nbf", "iss", "aud", "sub", "jti", "client_id"]
    found = jwt.decode_complete(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=[SIGNED[audience]],
        audience=audience,
        issuer=service.issuer,
        options={"require": required},
    )
    assert (found["header"]["typ"], found["header"]["alg"]) == ("at+jwt", SIGNED[audience])
    claims: dict[str, object] = found["payload"]
    return claims


def test_pyjwt_takes_a_token_for_its_api_and_no_other(  # auth service 20
    service: InteropService, keys: jwt.PyJWKClient, audience: str
) -> None:
    token = service.token(audience)
    assert validated(service, keys, token, audience)["client_id"] == "by-basic"
    key = keys.get_signing_key_from_jwt(token)
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, key, algorithms=[SIGNED[audience]], audience="other-api", issuer=service.issuer)
    with pytest.raises(jwt.InvalidIssuerError):
        jwt.decode(token, key, algorithms=[SIGNED[audience]], audience=audience, issuer=service.issuer + "/")
    head, _, tail = token.rpartition(".")
    forged = f"{head}.{'A' if tail[0] != 'A' else 'B'}{tail[1:]}"
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(forged, key, algorithms=[SIGNED[audience]], audience=audience)


def test_pyjwt_finds_the_key_after_a_rotation(  # auth service 51
    service: InteropService, keys: jwt.PyJWKClient, audience: str
) -> None:
    before = service.token(audience)
    validated(service, keys, before, audience)
    service.rotate(SIGNED[audience])
    after = service.token(audience)
    assert jwt.get_unverified_header(after)["kid"] != jwt.get_unverified_header(before)["kid"]
    assert validated(service, keys, after, audience)["aud"] == audience
    assert validated(service, keys, before, audience)["aud"] == audience


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated via RFC 9864")  # the service's validators know no newer name
def test_joserfc_takes_a_token_for_its_api_and_no_other(
    service: InteropService, audience: str
) -> None:  # auth service 20
    keys = KeySet.import_key_set(httpx2.get(service.at("jwks")).json())
    name = SIGNED[audience]
    token = joserfc_jwt.decode(service.token(audience), keys, algorithms=[name])
    assert token.header["typ"] == "at+jwt"
    for wanted, right in ((audience, True), ("other-api", False)):
        registry = JWTClaimsRegistry(
            iss={"essential": True, "value": service.issuer}, aud={"essential": True, "value": wanted}
        )
        if right:
            registry.validate(token.claims)
        else:
            with pytest.raises(InvalidClaimError, match="aud"):
                registry.validate(token.claims)
