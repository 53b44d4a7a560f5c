"""The published JWK set, byte for byte, and the keys that APIs report to hold."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import jwt
import pytest
from sqlalchemy import select
from tests.authorization_server.running_service import running_service
from tests.authorization_server.sample_tokens import CONSOLE, add_api, issue

import roomkey
from roomkey.authorization_server.column_encryption import PRIVATE_KEY
from roomkey.authorization_server.keys.endpoints import jwks
from roomkey.authorization_server.keys.published_keys import SigningKeys
from roomkey.authorization_server.keys.rotation import rotate
from roomkey.authorization_server.keys.signer import new_shared_secret
from roomkey.authorization_server.schema.signing_keys import held_keys, signing_keys
from roomkey.authorization_server.service import Service
from roomkey.jose import base64url

PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path / "data") as service:
        yield service


@pytest.fixture
def client(running: Service) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=running.settings.issuer) as client:
        yield client


@pytest.mark.slow
def test_no_private_member_and_no_private_byte_is_published(running: Service, client: httpx2.Client) -> None:
    # auth service 50
    for number, algorithm in enumerate(("ES256", "RS256", "EdDSA", "HS256")):
        add_api(running, f"api-{number}", algorithm=algorithm)
    with running.unit_of_work(CONSOLE) as uow:
        secret = new_shared_secret(uow, "api-3").reveal()
        for algorithm in ("ES256", "RS256", "EdDSA"):
            rotate(uow, algorithm=algorithm)
    body = client.get("/oauth2/jwks").content
    keys = json.loads(body)["keys"]
    assert sorted(key["alg"] for key in keys) == ["ES256", "ES256", "EdDSA", "EdDSA", "RS256", "RS256"]
    assert sorted({key["kty"] for key in keys}) == ["EC", "OKP", "RSA"]
    assert not [name for key in keys for name in key if name in PRIVATE]
    for name in PRIVATE:
        assert f'"{name}"'.encode() not in body
    with running.look(CONSOLE) as uow:
        for row in uow.connection.execute(select(signing_keys)):
            der = PRIVATE_KEY.decrypt(uow.keyring, row.private_key, row=row.kid)
            for start in range(0, len(der) - 24, 3):  # any 24 bytes of the private half, at any of the three offsets
                piece = base64url.encode(der[start : start + 24])
                assert piece not in body or piece.decode() in row.public_jwk
    for form in (secret.encode(), base64url.encode(secret.encode()), secret[5:].encode()):
        assert form not in body


def test_a_private_member_in_the_database_is_not_published_either() -> None:
    # auth service 50
    bad = {"kty": "oct", "kid": "a", "alg": "HS256", **dict.fromkeys(PRIVATE, "c2VjcmV0")}
    body = jwks(SigningKeys(1, {}, (bad,)), max_age=300).body
    assert json.loads(body) == {"keys": [{"kty": "oct", "kid": "a", "alg": "HS256"}]}


def test_the_set_may_be_cached_and_is_not_sent_twice(running: Service, client: httpx2.Client) -> None:
    first = client.get("/oauth2/jwks")
    assert first.headers["cache-control"] == "public, max-age=300"
    assert first.headers["content-type"] == "application/jwk-set+json"
    etag = first.headers["etag"]
    for condition in (etag, f'"other", W/{etag}', "*"):
        again = client.get("/oauth2/jwks", headers={"If-None-Match": condition})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert client.get("/oauth2/jwks", headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.head("/oauth2/jwks").content == b""
    assert client.post("/oauth2/jwks").status_code == 405
    with running.unit_of_work(CONSOLE) as uow:
        rotate(uow)
    changed = client.get("/oauth2/jwks", headers={"If-None-Match": etag})
    assert (changed.status_code, len(changed.json()["keys"])) == (200, 2)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
def test_validators_find_the_keys_by_the_metadata(running: Service, algorithm: str) -> None:
    add_api(running, algorithm=algorithm)
    issuer, token = running.settings.issuer, issue(running).value
    validator = roomkey.TokenValidator(issuer=issuer, audience="orders-api")
    assert validator.validate(token).subject == "orders-api-client"
    key = jwt.PyJWKClient(f"{issuer}/oauth2/jwks").get_signing_key_from_jwt(token)
    assert (
        jwt.decode(token, key, algorithms=[algorithm], audience="orders-api", issuer=issuer)["sub"]
        == "orders-api-client"
    )


def test_an_api_reports_the_keys_that_it_holds(running: Service, client: httpx2.Client) -> None:
    secret = add_api(running).client_secret.value
    (key,) = client.get("/oauth2/jwks").json()["keys"]
    form = {"kids": f"{key['kid']} key_of_another_issuer"}
    answer = client.post("/oauth2/held-keys", data=form, auth=("orders-api", secret))
    assert answer.json() == {"kids": [key["kid"]]}
    with running.look(CONSOLE) as uow:
        rows = uow.connection.execute(select(held_keys.c.client_id, held_keys.c.kid)).all()
    assert rows == [("orders-api", key["kid"])]
    assert client.post("/oauth2/held-keys", data=form, auth=("orders-api", "wrong")).status_code == 401
    assert client.post("/oauth2/held-keys", data=form).status_code == 401
    many = {"kids": " ".join(f"key_{number}" for number in range(101))}
    refused = client.post("/oauth2/held-keys", data=many, auth=("orders-api", secret))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
