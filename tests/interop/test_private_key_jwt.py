"""A client without a secret at a certified OpenID server: it signs a new proof for every request."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.interop.oidc_provider import ORDERS, OIDCProvider

import roomkey
from roomkey.jose import KeySet, base64url, verify_compact
from roomkey.jose.signing_key import PrivateKey

KEYS: dict[str, PrivateKey] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "PS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
}


def pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_jwk(key: PrivateKey) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "n": number(numbers.n, 256), "e": number(numbers.e, 3)}
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    point = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32)}


def number(value: int, size: int) -> str:
    return base64url.encode(value.to_bytes(size)).decode()


@pytest.mark.parametrize("algorithm", KEYS)
def test_the_server_takes_every_proof_and_gives_a_token_that_it_signed(
    oidc_provider: OIDCProvider, manager: roomkey.TokenManager, algorithm: str
) -> None:  # client 55
    jwk = public_jwk(KEYS[algorithm]) | {"kid": "2026-11", "alg": algorithm}
    client = oidc_provider.register(
        "client_credentials", token_endpoint_auth_method="private_key_jwt", jwks={"keys": [jwk]}
    )
    proof = roomkey.PrivateKeyJWT(private_key=pem(KEYS[algorithm]), key_id="2026-11", algorithm=algorithm)
    app = roomkey.ClientCredentials(
        issuer=oidc_provider.issuer, client_id=client.client_id, authentication=proof, resource=ORDERS
    )
    credential = manager.credential(app)
    tokens = [credential.token().value, credential.refresh().value]
    keys = KeySet.discover(oidc_provider.issuer)
    claims = [json.loads(verify_compact(token, keys, algorithms=["RS256"])) for token in tokens]
    assert {one["client_id"] for one in claims} == {client.client_id}
    assert [one.authentication for one in oidc_provider.token_requests(client)] == ["private_key_jwt"] * 2
