"""A walk through everything that issues a secret: none of them stands in the database, a log, a list or a backup."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key
from sqlalchemy import select
from tests.authorization_server.oauth_service import CONSOLE, PASSWORD, Login, OAuthService, claims_of, oauth_service
from tests.support.leaks import LeakDetector

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import ChangeApi, ListApis, RotateApiSecret
from roomkey.authorization_server.accounts.app_tokens.commands import CreateAppToken, ListAppTokens, RotateAppToken
from roomkey.authorization_server.accounts.service_accounts.commands import (
    ChangeServiceAccount,
    ListAccountSecrets,
    ListServiceAccounts,
    RotateAccountSecret,
)
from roomkey.authorization_server.accounts.token_requests.commands import ListTokenRequests
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.audit import search
from roomkey.authorization_server.column_encryption import PRIVATE_KEY
from roomkey.authorization_server.grants.authorization_code import CodeGrant, new_code
from roomkey.authorization_server.identity import recovery_codes, sessions, setup_links, totp, users
from roomkey.authorization_server.identity.commands import ListUsers
from roomkey.authorization_server.identity.passwords import Cost, PasswordHashing
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.keys.adoption import list_key_states
from roomkey.authorization_server.keys.reencrypt import rotate_encryption_key
from roomkey.authorization_server.keys.rotation import rotate
from roomkey.authorization_server.keys.signer import new_shared_secret
from roomkey.authorization_server.schema.base import metadata
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.authorization_server.server.backup import back_up
from roomkey.authorization_server.service import Service
from roomkey.testing import FakeClock

BACK = "https://app.example/cb"
VERIFIER = "v" * 43
WRONG = "a wrong password that somebody typed"
IN_THE_NAME_FIELD = "four hasty lanterns typed"


@pytest.fixture
def detector() -> Iterator[LeakDetector]:
    with LeakDetector().watch() as watching:
        yield watching


@pytest.fixture
def walked(service: Service, detector: LeakDetector) -> Iterator[OAuthService]:
    with oauth_service(service) as oauth:
        yield oauth


def _dump(service: Service) -> str:
    """Every value of every row, bytes as a string and in hex; of SQLite also the content of its files."""
    with service.look(CONSOLE) as uow:
        rows = [row for table in metadata.sorted_tables for row in uow.connection.execute(select(table))]
    words = [
        f"{value.hex()} {value.decode('latin-1')}" if isinstance(value, bytes) else str(value)
        for row in rows
        for value in row
    ]
    if service.database.file is not None:
        words += [path.read_bytes().decode("latin-1") for path in service.settings.data.glob("roomkey.db*")]
    return "\n".join(words)


def _people(oauth: OAuthService, clock: FakeClock) -> tuple[list[str], str]:
    """The secrets of the first administrator, and the value of the session's cookie."""
    link = oauth.act(setup_links.create)
    token = parse_qs(urlsplit(link).query)["token"][0]
    hashing = PasswordHashing(Cost(memory=8, passes=1))
    hashed = hashing.hash_new(PASSWORD, username="boss")
    hashing.close()
    with oauth.service.unit_of_work(Actor.service()) as uow:
        boss = setup_links.use(uow, token, username="boss", password=hashed)
    with oauth.service.unit_of_work(boss.actor("192.0.2.1")) as uow:
        begun = sessions.begin(uow, boss, stage=Stage.FULL)
        seed = totp.begin(uow, boss).secret
        totp.confirm(uow, boss, pyotp.TOTP(seed).at(uow.now), session=begun.session.id)
        codes = recovery_codes.renew(uow, boss, session=begun.session.id)
        assert recovery_codes.matches(uow, boss, codes[0])
        pending = totp.begin(uow, boss).secret
        sessions.leave_notice(uow, begun.session, b"a notice that is shown once")
    plain = [code.replace("-", "") for code in codes]
    return [token, seed, pending, *codes, *plain, PASSWORD, "a notice that is shown once"], begun.cookie.value


def _accounts(oauth: OAuthService) -> tuple[list[str], Login]:
    """The secrets of accounts and APIs, and an app whose users sign in."""
    first = oauth.add_app("app", apis=[Access("orders-api", ("orders:read",), ("orders:read",))])
    second = oauth.act(RotateAccountSecret, "app", overlap=60).client_secret.value
    api = oauth.act(RotateApiSecret, "orders-api", overlap=60).client_secret.value
    oauth.add_api("opaque-api", "orders:read", token_format="opaque")
    shared = oauth.act(ChangeApi, "opaque-api", algorithm="HS256").shared_secret.reveal()
    again = oauth.act(new_shared_secret, "opaque-api").reveal()
    oauth.act(
        ChangeServiceAccount,
        "app",
        grants=["password", "refresh_token", "client_credentials", "authorization_code"],
        redirect_uris=[BACK],
        apis=[Access(name, ("orders:read",), ("orders:read",)) for name in ("orders-api", "opaque-api")],
    )
    return [first.secret, second, api, shared, again, oauth.api.secret], Login("app", second)


def _tokens(oauth: OAuthService, app: Login, clock: FakeClock) -> list[str]:
    issued = []
    for audience in ("orders-api", "opaque-api"):
        issued.append(oauth.token(app, resource=audience).json()["access_token"])
        first = oauth.sign_in(app, resource=audience).json()
        again = oauth.refresh(app, first["refresh_token"]).json()
        repeated = oauth.refresh(app, first["refresh_token"]).json()  # out of the sealed answer
        assert repeated == again
        issued += [one[name] for one in (first, again) for name in ("access_token", "refresh_token")]
        for token_format in ("jwt", "opaque"):
            order = {"client_id": "app", "audience": audience, "scopes": ["orders:read"], "lifetime": 3600}
            made = oauth.act(CreateAppToken, **order, token_format=token_format)
            renewed = oauth.act(RotateAppToken, made.app_token.id, overlap=60)
            issued += [made.token.reveal(), renewed.token.reveal()]
    alice = oauth.act(users.get, "alice")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
    granted = CodeGrant(
        client_id="app",
        user_id=alice.id,
        redirect_uri=BACK,
        code_challenge=challenge,
        audience="orders-api",
        scope=("orders:read",),
        authenticated_at=int(clock.wall()),
        acr="password",
    )
    code = oauth.act(new_code, granted).value
    answer = oauth.token(app, "authorization_code", code=code, redirect_uri=BACK, code_verifier=VERIFIER)
    assert answer.status_code == 200, answer.text
    issued += [code, answer.json()["access_token"], answer.json()["refresh_token"]]
    oauth.sign_in(app, password=WRONG)
    oauth.sign_in(app, IN_THE_NAME_FIELD)
    for token in issued:
        oauth.introspect(oauth.api, token)
    oauth.revoke(app, issued[0])
    return issued


def _private(service: Service) -> list[str]:
    """The private number of each signing key, in the forms in which a dump would show it."""
    found = []
    with service.look(CONSOLE) as uow:
        for row in uow.connection.execute(select(signing_keys.c.kid, signing_keys.c.private_key)):
            key = load_der_private_key(PRIVATE_KEY.decrypt(uow.keyring, row.private_key, row=row.kid), password=None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            number = key.private_numbers().private_value.to_bytes(32)
            found += [number.hex(), base64.urlsafe_b64encode(number).decode().rstrip("="), number.decode("latin-1")]
    return found


def test_no_secret_that_was_ever_issued_is_anywhere(  # auth service 46, 54
    walked: OAuthService, detector: LeakDetector, clock: FakeClock, tmp_path: Path
) -> None:
    oauth, service = walked, walked.service
    of_people, cookie = _people(oauth, clock)
    of_accounts, app = _accounts(oauth)
    oauth.add_user("alice")
    issued = _tokens(oauth, app, clock)
    with service.unit_of_work(CONSOLE) as uow:
        rotate(uow, now=True)
    rotate_encryption_key(service, CONSOLE, only_node=True)
    key_file = (service.settings.data / "roomkey.key").read_text().split()
    keys = [word.rpartition(":")[2] for line in key_file for word in line.split(",") if len(word) > 40]
    assert len(keys) == 2
    secrets = [*of_people, cookie, *of_accounts, *issued, *keys, *_private(service), WRONG, IN_THE_NAME_FIELD]
    assert len(set(secrets)) > 50
    shown: list[object] = [_dump(service)]
    with service.look(CONSOLE) as uow:
        lists = (
            ListApis()(uow),
            ListServiceAccounts()(uow),
            ListAccountSecrets("app")(uow),
            ListAppTokens()(uow),
            ListTokenRequests()(uow),
            ListUsers()(uow),
            sessions.list_sessions(uow, "boss"),
            search.find(uow, limit=200),
            list_key_states(uow),
            service,
            service.keyring,
            uow,
        )
        shown += [repr(one) for one in lists]
    shown += [oauth.ask("GET", path).text for path in ("/metrics", "/oauth2/jwks", "/health")]
    for path in ("/oauth2/deny-list", "/oauth2/status-list"):  # JWTs, which all begin alike
        shown.append(repr(claims_of(oauth.ask("GET", path).text)))
    if service.database.file is not None:
        shown.append(back_up(service, CONSOLE, tmp_path / "copy.db").path.read_bytes().decode("latin-1"))
    assert "orders-api" in str(shown[0])
    detector.plant(*secrets)
    detector.assert_clean(*shown)


def test_the_walk_would_find_a_secret_that_is_kept(walked: OAuthService, detector: LeakDetector) -> None:
    secret = walked.add_account("careless").secret
    walked.act(ChangeServiceAccount, "careless", description=f"its secret is {secret}")
    detector.plant(secret)
    assert detector.find_leaks(_dump(walked.service))
