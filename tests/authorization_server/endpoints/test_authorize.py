import asyncio
import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from sqlalchemy import select
from tests.authorization_server.backoffice.browser import ISSUER, Browser
from tests.authorization_server.fresh_data import fresh_data

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import CreateApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.service_accounts.commands import CreateServiceAccount, DisableServiceAccount
from roomkey.authorization_server.accounts.tenants.commands import CreateTenant
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.app import create_app
from roomkey.authorization_server.identity.commands import ChangeUser, CreateUser, DisableUser
from roomkey.authorization_server.identity.passwords import Cost, PasswordHashing
from roomkey.authorization_server.schema.tokens import access_tokens
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.jose.compact import read_unverified
from roomkey.testing import FakeClock

PASSWORD = "seven green lanterns hum"
CONSOLE = Actor.console()
VERIFIER = "v" * 20 + "-._~" + "0" * 40
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
BACK = "https://app.example/cb"
ASKED = {
    "response_type": "code",
    "client_id": "shop",
    "redirect_uri": BACK,
    "scope": "orders:read",
    "state": "st&te",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture(scope="session")
def hashing() -> Iterator[PasswordHashing]:
    made = PasswordHashing(Cost(memory=8, passes=1))
    yield made
    made.close()


@pytest.fixture
def service(tmp_path: Path, clock: FakeClock, hashing: PasswordHashing) -> Iterator[Service]:
    with Service.open(Settings.at(fresh_data(tmp_path / "service", clock), issuer=ISSUER), clock=clock) as opened:
        with opened.unit_of_work(CONSOLE) as uow:
            CreateTenant(name="acme")(uow)
            scopes = [Scope("orders:read", "See your orders."), Scope("orders:write")]
            CreateApi(audience="orders-api", scopes=scopes)(uow)
            grants, access = (
                ("authorization_code", "refresh_token"),
                [Access("orders-api", ("orders:read", "orders:write"), ())],
            )
            named = {"grants": grants, "apis": access, "authentication": "none"}
            uris = [BACK, "https://app.example/cb?x=1", "http://127.0.0.1:8000/cb"]
            CreateServiceAccount(client_id="shop", redirect_uris=uris, **named)(uow)  # type: ignore[arg-type]
            native = ["http://127.0.0.1/cb", "http://[::1]:1/cb", "http://localhost:9/cb", "com.example.app:/cb"]
            CreateServiceAccount(client_id="phone", redirect_uris=native, native=True, **named)(uow)  # type: ignore[arg-type]
            CreateServiceAccount(client_id="gone", redirect_uris=uris, **named)(uow)  # type: ignore[arg-type]
            CreateServiceAccount(client_id="tenants", tenant="acme", redirect_uris=uris, **named)(uow)  # type: ignore[arg-type]
            CreateServiceAccount(client_id="plain", apis=access)(uow)
            named["grants"] = ("authorization_code",)
            CreateServiceAccount(client_id="brief", redirect_uris=uris, **named)(uow)  # type: ignore[arg-type]
            DisableServiceAccount("gone")(uow)
            hashed = hashing.hash_new(PASSWORD, username="alice")
            CreateUser(username="alice", roles=["customer"], password=hashed)(uow)
        yield opened


@pytest.fixture
def browser(service: Service, hashing: PasswordHashing) -> Iterator[Browser]:
    app = create_app(service, hashing=hashing)
    with Browser(app) as made:
        yield made


@pytest.fixture
def signed_in(browser: Browser) -> Browser:
    browser.get("/sign-in")
    browser.submit("/sign-in", username="alice", password=PASSWORD)
    return browser


def address(**changed: str | None) -> str:
    asked = {name: value for name, value in (ASKED | changed).items() if value is not None}
    return f"/oauth2/authorize?{urlencode(asked)}"


def answered(browser: Browser, back: str = BACK) -> dict[str, str]:
    """What the app is told, at the address that it has registered."""
    assert browser.page.status_code == 303, browser.page.text
    location = browser.page.headers["location"]
    assert location.startswith(back)
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def allowed(browser: Browser, **changed: str | None) -> str:
    """The code that the app gets when the person allows it."""
    assert browser.get(address(**changed)).status_code == 200
    browser.submit(address(**changed), decision="allow")
    return answered(browser, changed.get("redirect_uri") or BACK)["code"]


def redeem(browser: Browser, code: str, **changed: str) -> tuple[int, dict[str, str]]:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    answer = browser.post("/oauth2/token", form | {"client_id": "shop"} | changed)
    return answer.status_code, answer.json()


def refreshed(browser: Browser, token: str) -> int:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "shop"}
    return browser.post("/oauth2/token", form).status_code


def test_sign_in_consent_code_token(browser: Browser, service: Service, clock: FakeClock) -> None:
    assert browser.get(address()).status_code == 303
    page = browser.follow()
    browser.submit("/sign-in", username="alice", password=PASSWORD)
    signed_in_at = int(clock.wall())
    page = browser.follow()
    assert "See your orders." in page.text
    assert "orders:write" not in page.text
    browser.submit(address(), decision="allow")
    told = answered(browser)
    assert told["state"] == "st&te"
    assert told["iss"] == ISSUER
    clock.advance(59)
    status, answer = redeem(browser, told["code"])
    assert status == 200
    assert answer["scope"] == "orders:read"
    token = read_unverified(answer["access_token"])
    assert token is not None
    assert token.claims["auth_time"] == signed_in_at
    assert token.claims["acr"] == "password"
    assert token.claims["client_id"] == "shop"
    assert (token.claims["username"], token.claims["roles"]) == ("alice", ["customer"])
    assert refreshed(browser, answer["refresh_token"]) == 200


def test_the_consent_page_lets_its_form_lead_to_the_app_alone(signed_in: Browser) -> None:  # auth service 32
    policy = signed_in.get(address()).headers["content-security-policy"]
    assert "form-action 'self' https://app.example;" in policy
    assert "frame-ancestors 'none'" in policy
    policy = signed_in.get(address(client_id="phone", redirect_uri="com.example.app:/cb")).headers
    assert "form-action 'self' com.example.app:;" in policy["content-security-policy"]


def test_who_does_not_allow_it_is_not_asked_twice(signed_in: Browser) -> None:
    signed_in.get(address())
    signed_in.submit(address(), decision="deny")
    assert answered(signed_in)["error"] == "access_denied"
    signed_in.get(address())
    signed_in.submit(address(), decision="")
    assert answered(signed_in)["error"] == "access_denied"


def test_somebody_else_can_sign_in_and_be_asked(signed_in: Browser) -> None:
    signed_in.get(address())
    signed_in.submit("/sign-out")
    assert signed_in.follow().status_code == 200
    signed_in.submit("/sign-in", username="alice", password=PASSWORD)
    assert "See your orders." in signed_in.follow().text


BENT = [
    "https://app.example/cb/",
    "https://app.example/cb?x=2",
    "https://app.example/cb?",
    "https://app.example/cb#",
    "https://app.example/cb#x",
    "https://app.example/cb;x",
    "https://app.example/CB",
    "https://APP.example/cb",
    "https://app.example:443/cb",
    "https://app.example/cb%2f..",
    "https://app.example/..;/cb",
    "https://app.example\\@evil.example/cb",
    "https://user@app.example/cb",
    "https://app.example.evil.example/cb",
    "https://\u0430pp.example/cb",
    "https://app.example/cb\n",
    " https://app.example/cb",
    "http://app.example/cb",
    "http://127.0.0.1:8001/cb",
    "javascript:alert(1)",
    "",
    "x" * 7000,
]


WRONG_AS_WELL: list[dict[str, str | None]] = [
    {},
    {"response_type": "token"},
    {"scope": "unknown"},
    {"code_challenge": None},
    {"prompt": "none"},
]


def test_a_redirect_uri_is_compared_as_exact_text(signed_in: Browser) -> None:  # auth service 28, 29
    for redirect_uri in BENT:
        for more in WRONG_AS_WELL:
            page = signed_in.get(address(redirect_uri=redirect_uri, **more))
            assert page.status_code == 400, redirect_uri
            assert "location" not in page.headers


UNKNOWN = ["nobody", "gone", "plain", "orders-api", "", None, "shop\x00", "\u0455hop"]


def test_an_unknown_client_gets_no_redirect_whatever_else_is_wrong(browser: Browser) -> None:  # auth service 29
    for client_id in UNKNOWN:
        for more in WRONG_AS_WELL:
            page = browser.get(address(client_id=client_id, **more))
            assert page.status_code == 400, client_id
            assert "location" not in page.headers


def test_a_parameter_twice_or_no_text_gets_no_redirect(browser: Browser) -> None:  # auth service 29
    for more in ("client_id=other", "redirect_uri=https://evil.example", "scope=x", "%ff=1"):
        for path in (f"{address()}&{more}", f"/oauth2/authorize?{more}&{address()[18:]}"):
            page = browser.get(path)
            assert page.status_code == 400, more
            assert "location" not in page.headers


LOOPBACK = [
    ("http://127.0.0.1:51004/cb", True),
    ("http://127.0.0.1/cb", True),
    ("http://[::1]:51004/cb", True),
    ("com.example.app:/cb", True),
    ("http://localhost:9/cb", True),
    ("http://localhost:10/cb", False),
    ("http://127.0.0.1:51004/other", False),
    ("http://127.0.0.1:51004@evil.example/cb", False),
    ("http://127.0.0.1:/cb", False),
    ("http://127.0.0.1:999999/cb", False),
    ("http://127.0.0.2:51004/cb", False),
    ("https://127.0.0.1:51004/cb", False),
    ("http://127.0.0.1.evil.example/cb", False),
    ("com.example.app:/cb2", False),
]


def test_loopback_ports_are_free_for_native_apps(signed_in: Browser) -> None:  # auth service 28
    for redirect_uri, right in LOOPBACK:
        page = signed_in.get(address(client_id="phone", redirect_uri=redirect_uri))
        assert page.status_code == (200 if right else 400), redirect_uri


TOLD: list[tuple[str, dict[str, str | None]]] = [
    ("unsupported_response_type", {"response_type": "token"}),
    ("unsupported_response_type", {"response_type": None}),
    ("invalid_request", {"response_mode": "fragment"}),
    ("invalid_request", {"code_challenge": None}),
    ("invalid_request", {"code_challenge": "short"}),
    ("invalid_request", {"code_challenge_method": "plain"}),
    ("invalid_request", {"code_challenge_method": None}),
    ("invalid_request", {"max_age": "-1"}),
    ("invalid_request", {"prompt": "none login"}),
    ("invalid_scope", {"scope": "orders:delete"}),
    ("invalid_scope", {"scope": None}),
    ("invalid_target", {"resource": "other-api"}),
    ("access_denied", {"client_id": "tenants"}),
    ("consent_required", {"prompt": "none"}),
    ("unmet_authentication_requirements", {"acr_values": "mfa"}),
    ("request_not_supported", {"request": "x"}),
]


def test_every_other_error_is_told_to_the_app(signed_in: Browser) -> None:  # auth service 17
    for error, changed in TOLD:
        signed_in.get(address(**changed))
        told = answered(signed_in)
        assert told["error"] == error
        assert told["iss"] == ISSUER
        assert told["state"] == "st&te"
        assert "code" not in told


def test_nobody_is_asked_where_nobody_may_be(browser: Browser) -> None:
    browser.get(address(prompt="none"))
    assert answered(browser)["error"] == "login_required"


def test_an_old_sign_in_is_renewed(signed_in: Browser, clock: FakeClock) -> None:
    clock.advance(500)
    for more in ({"max_age": "100"}, {"prompt": "login"}):
        assert signed_in.get(address(**more)).headers["location"].startswith("/account/confirm?next=/oauth2/authorize")
    signed_in.follow()
    signed_in.submit("/account/confirm", password=PASSWORD)
    assert signed_in.follow().status_code == 200


def revoked_tokens(service: Service, client_id: str = "shop") -> list[bool]:
    """Whether each token that the app ever got has ended."""
    with service.look(CONSOLE) as uow:
        of_shop = select(access_tokens.c.revoked_at).where(access_tokens.c.client_id == client_id)
        return [at is not None for at in uow.connection.scalars(of_shop)]


def test_a_code_is_good_once_and_a_second_use_ends_what_it_minted(  # auth service 18
    signed_in: Browser, service: Service
) -> None:
    code = allowed(signed_in)
    _, first = redeem(signed_in, code)
    assert revoked_tokens(service) == [False]
    assert redeem(signed_in, code)[0] == 400
    assert refreshed(signed_in, first["refresh_token"]) == 400
    assert revoked_tokens(service) == [True]


def test_a_second_use_ends_what_has_no_refresh_token_too(signed_in: Browser, service: Service) -> None:
    # auth service 18
    code = allowed(signed_in, client_id="brief")
    status, answer = redeem(signed_in, code, client_id="brief")
    assert status == 200
    assert "refresh_token" not in answer
    assert revoked_tokens(service, "brief") == [False]
    assert redeem(signed_in, code, client_id="brief")[0] == 400
    assert revoked_tokens(service, "brief") == [True]


def test_a_code_ends_after_a_minute(signed_in: Browser, clock: FakeClock) -> None:  # auth service 18
    code = allowed(signed_in)
    clock.advance(60)
    status, answer = redeem(signed_in, code)
    assert (status, answer["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": VERIFIER[:-1]},
        {"code_verifier": CHALLENGE},
        {"code_verifier": "short"},
        {"redirect_uri": "https://app.example/cb?x=1"},
        {"client_id": "phone"},
    ],
)
def test_a_code_is_bound_to_client_address_and_proof(  # auth service 18
    signed_in: Browser, changed: dict[str, str]
) -> None:
    code = allowed(signed_in)
    status, answer = redeem(signed_in, code, **changed)
    assert (status, answer["error"]) == (400, "invalid_grant")
    status, answer = redeem(signed_in, code)
    assert status == 200  # nobody else's try spends it
    redeem(signed_in, code, client_id="phone")
    assert refreshed(signed_in, answer["refresh_token"]) == 200  # and a foreign client's second use ends nothing


@pytest.mark.parametrize("code", ["", "rkac_x", "x" * 60_000, "\u0430" * 54])
def test_junk_is_no_code(signed_in: Browser, code: str) -> None:
    assert redeem(signed_in, code)[0] == 400


def test_sixteen_at_once_get_one_token_and_it_ends(signed_in: Browser, service: Service) -> None:  # auth service 18
    code = allowed(signed_in)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    post = signed_in._client.post

    async def burst() -> list[int]:
        sent = [post("/oauth2/token", data=form | {"client_id": "shop"}) for _ in range(16)]
        return [answer.status_code for answer in await asyncio.gather(*sent)]

    statuses = signed_in._runner.run(burst())
    assert sorted(statuses) == [200] + [400] * 15
    assert revoked_tokens(service) == [True]


def test_a_disabled_users_code_is_dead(signed_in: Browser, service: Service) -> None:  # auth service 9
    code = allowed(signed_in)
    with service.unit_of_work(CONSOLE) as uow:
        DisableUser("alice")(uow)
    assert redeem(signed_in, code)[0] == 400


def test_scopes_that_the_person_has_not_are_not_granted(
    signed_in: Browser, service: Service
) -> None:  # auth service 14
    code = allowed(signed_in, scope="orders:read orders:write")
    with service.unit_of_work(CONSOLE) as uow:
        ChangeUser("alice", scopes=["orders:read"])(uow)
    assert redeem(signed_in, code)[1]["scope"] == "orders:read"
    signed_in.get(address(scope="orders:write"))
    assert answered(signed_in)["error"] == "invalid_scope"
    code = allowed(signed_in)
    with service.unit_of_work(CONSOLE) as uow:
        ChangeUser("alice", scopes=["other"])(uow)
    assert redeem(signed_in, code)[1]["error"] == "invalid_grant"


def test_consent_needs_proof_and_our_own_page(signed_in: Browser) -> None:  # auth service 30
    signed_in.get(address())
    proof = signed_in.csrf
    assert signed_in.post(address(), {"decision": "allow"}).status_code == 403
    fields = {"decision": "allow", "csrf": proof}
    assert signed_in.post(address(), fields, **{"sec-fetch-site": "cross-site"}).status_code == 403
    assert signed_in.post(address(), fields).status_code == 303


def test_a_link_from_another_site_is_followed_and_names_are_escaped(signed_in: Browser) -> None:  # auth service 34
    page = signed_in.get(address(state='"><script>'), **{"sec-fetch-site": "cross-site"})
    assert page.status_code == 200
    assert "<script>" not in page.text
    signed_in.submit(address(state='"><script>'), decision="allow")
    assert answered(signed_in)["state"] == '"><script>'


def test_the_code_is_kept_as_a_digest(signed_in: Browser, service: Service) -> None:  # auth service 54
    code = allowed(signed_in)
    assert re.fullmatch(r"rkac_[0-9A-Za-z]{49}", code)
    assert code.encode() not in b"".join(path.read_bytes() for path in service.settings.data.iterdir())
