"""A client that proves itself with a key pair, at a server that takes each proof once."""

from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.support.leaks import LeakDetector

import roomkey
from roomkey.jose import KeySet
from roomkey.jose.compact import read_unverified
from roomkey.oauth.source import Moment, reveal
from roomkey.testing import FakeClock, Issuer

KEY = ec.generate_private_key(ec.SECP256R1())
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PROOF = roomkey.PrivateKeyJWT(private_key=PRIVATE, key_id="2026-11")


def source(**changes: object) -> roomkey.ClientCredentials:
    settings = {"issuer": "https://auth.example", "client_id": "pair", "authentication": PROOF}
    return roomkey.ClientCredentials(**settings | changes)  # type: ignore[arg-type]


def assertion(source: roomkey.ClientCredentials, *, wall: float = 1000.5, identifier: str = "one") -> dict[str, object]:
    revealed = reveal(source.secrets())
    request = source.login_request("https://auth.example/token", revealed, Moment(wall, identifier))
    form = parse_qs(request.body.decode())
    assert form["client_id"] == ["pair"]
    assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    assert "client_secret" not in form
    token = read_unverified(form["client_assertion"][0])
    assert token is not None
    return {**token.header, **token.claims}


def test_an_assertion_says_who_for_whom_and_until_when() -> None:  # client 55
    assert assertion(source()) == {
        "alg": "ES256", "typ": "JWT", "kid": "2026-11",
        "iss": "pair", "sub": "pair", "aud": "https://auth.example", "iat": 1000, "exp": 1060, "jti": "one",
    }  # fmt: skip


def test_the_audience_is_the_token_endpoint_where_no_issuer_is_known_and_what_is_named_else() -> None:
    by_endpoint = source(issuer=None, token_endpoint="https://auth.example/token")
    assert assertion(by_endpoint)["aud"] == "https://auth.example/token"
    named = roomkey.PrivateKeyJWT(private_key=PRIVATE, audience="https://other.example")
    assert assertion(source(authentication=named))["aud"] == "https://other.example"


def test_every_attempt_has_an_assertion_of_its_own_repetitions_too(clock: FakeClock) -> None:  # client 55
    with Issuer(clock=clock) as issuer, roomkey.TokenManager(roomkey.MemoryStore(), clock=clock) as manager:
        issuer.add_client("pair", keys=KeySet.static(PUBLIC))
        issuer.refresh_tokens = True
        user = roomkey.Password(
            issuer=issuer.url,
            client_id="pair",
            authentication=PROOF,
            username=issuer.user.username,
            password=issuer.user.password,
        )
        credential = manager.credential(user)
        credential.header()
        clock.advance(301.0)
        issuer.drop(processed=True)  # the answer is lost after the server has seen the assertion
        assert credential.header()
    asked = issuer.token_requests
    assert [one.grant_type for one in asked] == ["password", "refresh_token", "refresh_token"]
    assert {one.authentication for one in asked} == {"private_key_jwt"}


def test_a_foreign_key_is_rejected_and_nothing_of_it_is_shown(issuer: Issuer, leaks: LeakDetector) -> None:  # client 67
    other = ec.generate_private_key(ec.SECP256R1())
    foreign = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    leaks.plant(foreign)
    issuer.add_client("pair", keys=KeySet.static(PUBLIC))
    wrong = source(issuer=issuer.url, authentication=roomkey.PrivateKeyJWT(private_key=foreign))
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        credential = manager.credential(wrong)
        for _ in range(3):
            with pytest.raises(roomkey.TokenUnavailable) as caught:
                credential.header()
    assert caught.value.reason == "invalid_client"
    assert "private_key" in str(caught.value)
    assert len(issuer.token_requests) == 1
    leaks.assert_clean(caught.value, wrong, credential)


def test_a_key_that_cannot_be_read_is_an_error_that_names_its_place(issuer: Issuer, tmp_path: Path) -> None:
    place = tmp_path / "reports.pem"
    place.write_text("-----BEGIN NOTHING-----")
    unreadable = roomkey.PrivateKeyJWT(private_key=roomkey.Secret.from_file(place))
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager, pytest.raises(roomkey.TokenUnavailable) as caught:
        manager.credential(source(issuer=issuer.url, authentication=unreadable)).header()
    assert "private key" in str(caught.value)
    assert str(place) in str(caught.value)
    assert not issuer.token_requests


def test_another_key_makes_another_credential_and_another_place_in_the_store() -> None:  # client 58, 60
    other = source(authentication=roomkey.PrivateKeyJWT(private_key=PRIVATE, key_id="2027-01"))
    assert source().parameters() != other.parameters()
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        assert manager.credential(source()) is manager.credential(source())
        assert manager.credential(source()) is not manager.credential(other)


@pytest.mark.parametrize("changes", [{"client_secret": "s"}, {"client_id": ""}, {"authentication": "private_key_jwt"}])
def test_settings_that_contradict_each_other_are_rejected(changes: dict[str, str]) -> None:
    with pytest.raises(roomkey.ConfigurationError):
        source(**changes)
