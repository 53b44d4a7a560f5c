"""The three flows of the pattern through the manager: an app, a user, and a user by way of an app."""

import logging

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.client.sources import client_credentials, password, settle
from tests.support.leaks import LeakDetector

import roomkey
from roomkey.jose import KeySet
from roomkey.oauth.answer_paths import AnswerPaths
from roomkey.oauth.custom_login import LoginCall
from roomkey.testing import FakeClock, Issuer, ProtectedAPI

ANSWERS = {
    "nested": AnswerPaths(access_token="data.auth.token", expires_in="data.auth.expiresIn"),
    "bare": AnswerPaths(whole_body=True),
    "quoted": AnswerPaths(whole_body=True),
    "header": AnswerPaths(token_header="X-Auth-Token"),
    "dated": AnswerPaths(access_token="access", expires_at="validUntil"),
}


def custom_login(issuer: Issuer, name: str, **changes: object) -> roomkey.CustomLogin:
    settings = {
        "url": issuer.login_endpoint(name),
        "fields": {"username": issuer.user.username, "password": roomkey.Secret(issuer.user.password)},
        "answer": ANSWERS.get(name, AnswerPaths()),
    }
    return roomkey.CustomLogin(**settings | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_custom_login_is_got_kept_and_got_anew(
    issuer: Issuer, api: ProtectedAPI, make_manager: object, name: str
) -> None:  # client 20, 52
    credential = make_manager().credential(custom_login(issuer, name))  # type: ignore[operator]
    first = credential.token()
    assert credential.token().value == first.value
    assert issuer.is_live(first.value)
    assert first.claims_unverified["sub"] == issuer.user.username
    credential.reject(first)
    assert credential.token().value != first.value
    assert len(issuer.token_requests) == 2


@pytest.mark.parametrize("wrong", [3600.0, -3600.0])
def test_a_date_is_judged_by_the_clock_of_the_server_that_gave_it(
    issuer: Issuer, make_manager: object, wrong: float
) -> None:  # client 20, 21
    here = FakeClock(wall=issuer.wall() + wrong)
    credential = make_manager(clock=here).credential(custom_login(issuer, "dated"))  # type: ignore[operator]
    assert credential.token().expires_in == pytest.approx(300.0, abs=3.0)


def test_a_custom_login_spends_its_refresh_token_at_its_own_endpoint(
    issuer: Issuer, make_manager: object, clock: FakeClock
) -> None:
    source = custom_login(
        issuer,
        "nested",
        answer=AnswerPaths(
            access_token="data.auth.token", expires_in="data.auth.expiresIn", refresh_token="data.auth.refreshToken"
        ),
        refresh=LoginCall(url=issuer.login_endpoint("nested-refresh")),
        refresh_field="refreshToken",
    )
    issuer.refresh_tokens = True
    credential = make_manager(clock=clock).credential(source)  # type: ignore[operator]
    first = credential.token().value
    clock.advance(299.0)
    assert credential.token().value != first
    assert [request.path.rpartition("/")[2] for request in issuer.token_requests] == ["nested", "nested-refresh"]


def test_a_user_by_way_of_an_app_is_named_in_the_claims_with_the_app(issuer: Issuer, make_manager: object) -> None:
    claims = make_manager().credential(password(issuer)).token().claims_unverified  # type: ignore[operator]
    assert (claims["sub"], claims["client_id"]) == (issuer.user.username, issuer.client.client_id)


def test_a_login_that_carries_the_apps_token_renews_it_when_it_is_rejected(
    issuer: Issuer, make_manager: object
) -> None:
    manager = make_manager()  # type: ignore[operator]
    app = manager.credential(client_credentials(issuer))
    user = manager.credential(
        custom_login(
            issuer,
            "service",
            answer=AnswerPaths(access_token="userToken", expires_in="expiresInSeconds"),
            authenticated_by=app,
        )
    )
    first = user.token().value
    issuer.revoke_all()
    user.reject(first)
    assert issuer.is_live(user.token().value)
    asked = [request.grant_type for request in issuer.token_requests]
    assert asked == ["client_credentials", "custom_login", "custom_login", "client_credentials", "custom_login"]


def test_an_app_token_from_a_file_is_read_again_when_it_was_rotated(
    issuer: Issuer, make_manager: object, clock: FakeClock, tmp_path: object
) -> None:
    path = tmp_path / "token"  # type: ignore[operator]
    path.write_text(issuer.issue() + "\n")
    credential = make_manager(clock=clock).credential(roomkey.ServiceAccountToken.from_file(path))  # type: ignore[operator]
    first = credential.header()
    assert first == f"Bearer {path.read_text().strip()}"
    path.write_text(second := issuer.issue())
    clock.advance(10.0)
    credential.header()
    settle(credential, lambda: credential.header() == f"Bearer {second}")
    assert issuer.token_requests == []


def test_an_app_token_in_the_environment_is_sent_as_it_is(
    issuer: Issuer, make_manager: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERS_TOKEN", token := issuer.issue())
    credential = make_manager().credential(roomkey.ServiceAccountToken.from_env("ORDERS_TOKEN"))  # type: ignore[operator]
    assert credential.header() == f"Bearer {token}"


def test_an_app_token_that_expires_soon_is_warned_about_and_one_that_has_expired_says_what_to_do(
    issuer: Issuer, make_manager: object, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    token = issuer.issue(lifetime=3 * 86_400.0)
    credential = make_manager(clock=clock).credential(roomkey.ServiceAccountToken(token), name="orders")  # type: ignore[operator]
    with caplog.at_level(logging.WARNING):
        credential.header()
    assert "3 days" in caplog.text
    clock.advance(4 * 86_400.0)
    with pytest.raises(roomkey.LoginRequired, match="make a new one in the backoffice"):
        credential.header()


def key_pair(issuer: Issuer, leaks: LeakDetector) -> roomkey.ClientCredentials:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    leaks.plant(private.split("-----")[2].strip())
    issuer.add_client("pair", keys=KeySet.static(public))
    proof = roomkey.PrivateKeyJWT(private_key=private)
    return roomkey.ClientCredentials(issuer=issuer.url, client_id="pair", authentication=proof)


@pytest.mark.parametrize("name", [*ANSWERS, "client_credentials", "key pair", "password", "app token"])
def test_no_flow_shows_a_secret_anywhere(
    issuer: Issuer, make_manager: object, leaks: LeakDetector, name: str
) -> None:  # client 66, 67
    manager = make_manager()  # type: ignore[operator]
    if name in ANSWERS:
        source = custom_login(issuer, name)
    elif name == "app token":
        source = roomkey.ServiceAccountToken(issuer.issue())
    elif name == "key pair":
        source = key_pair(issuer, leaks)
    else:
        source = {"client_credentials": client_credentials, "password": password}[name](issuer)
    credential = manager.credential(source)
    token = credential.token()
    shown = [manager, credential, source, token, credential.status(), manager.counts()]
    issuer.outage(503)
    if name != "app token":
        with pytest.raises(roomkey.TokenUnavailable) as caught:
            credential.refresh()
        shown.append(caught.value)
    leaks.assert_clean(*shown)
