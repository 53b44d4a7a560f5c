import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyotp
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from tests.authorization_server.backoffice.browser import ISSUER, Browser
from tests.authorization_server.fresh_data import fresh_data
from tests.authorization_server.identity.authenticator import Authenticator

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.backoffice import static_files
from roomkey.authorization_server.backoffice.page import answer_error
from roomkey.authorization_server.backoffice.session import PageAccess, Visit, local_path, requires
from roomkey.authorization_server.backoffice.sign_in import ROUTES
from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.identity import passkeys, sessions, setup_links, users
from roomkey.authorization_server.identity.commands import CreateUser, DisableUser
from roomkey.authorization_server.identity.passwords import Cost, PasswordHashing
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.testing import FakeClock

PASSWORD = "seven green lanterns hum"
OTHER = "nine copper kettles sing"
CONSOLE = Actor.console()
Make = Callable[..., User]


@requires()
async def home(visit: Visit) -> Response:
    return PlainTextResponse(f"hello {visit.user.username}")


@requires(Permission.CHANGE_USERS)
async def people(_visit: Visit) -> Response:
    return PlainTextResponse("people")


@pytest.fixture
def service(tmp_path: Path, clock: FakeClock) -> Iterator[Service]:
    with Service.open(Settings.at(fresh_data(tmp_path / "service", clock), issuer=ISSUER), clock=clock) as opened:
        yield opened


@pytest.fixture(scope="session")
def hashing() -> Iterator[PasswordHashing]:
    made = PasswordHashing(Cost(memory=8, passes=1))
    yield made
    made.close()


@pytest.fixture
def app(service: Service, hashing: PasswordHashing) -> Starlette:
    own = [
        Route("/", home),
        Route("/people", people, methods=["GET", "POST"]),
        Route("/static/{digest}/{name}", static_files.serve),
    ]
    made = Starlette(routes=[*ROUTES, *own], exception_handlers={ServiceError: answer_error})
    made.state.service, made.state.hashing = service, hashing
    return made


@pytest.fixture
def browser(app: Starlette) -> Iterator[Browser]:
    with Browser(app) as made:
        yield made


@pytest.fixture
def make(service: Service, hashing: PasswordHashing) -> Make:
    def made(username: str = "alice", *roles: str) -> User:
        with service.unit_of_work(CONSOLE) as uow:
            hashed = hashing.hash_new(PASSWORD, username=username)
            return CreateUser(username=username, roles=roles, password=hashed)(uow)

    return made


def sign_in(browser: Browser, username: str = "alice", password: str = PASSWORD, to: str = "") -> None:
    browser.get(f"/sign-in?next={to}")
    browser.submit("/sign-in", username=username, password=password)


def seed_on(page: str) -> str:
    found = re.search(r"<code>([A-Z2-7]{32})</code>", page)
    assert found is not None
    return found[1]


def code(seed: str, clock: FakeClock) -> str:
    return pyotp.TOTP(seed).at(int(clock.wall()))


def enrol(browser: Browser, clock: FakeClock) -> tuple[str, list[str]]:
    """Set up an authenticator app; its seed and the recovery codes."""
    page = browser.follow().text
    seed = seed_on(page)
    browser.submit("/sign-in/enrol", code=code(seed, clock))
    page = browser.follow().text
    return seed, re.findall(r"[a-z2-9]{4}(?:-[a-z2-9]{4}){3}", page)


def test_the_first_administrator_comes_in_by_the_link_and_enrols(  # auth service 49
    service: Service, browser: Browser, clock: FakeClock
) -> None:
    with service.unit_of_work(CONSOLE) as uow:
        link = setup_links.create(uow).removeprefix(ISSUER)
    assert browser.get(link).status_code == 200
    browser.submit("/setup", token=link.partition("=")[2], username="boss", password="password1234")
    assert browser.page.status_code == 422
    assert "password1234" not in browser.page.text
    browser.submit("/setup", token=link.partition("=")[2], username="boss", password=PASSWORD)
    assert browser.page.headers["location"] == "/sign-in/enrol"
    _seed, codes = enrol(browser, clock)
    assert len(codes) == 10
    assert browser.get("/").text == "hello boss"
    assert browser.get(link).status_code == 404


def test_a_password_is_enough_for_a_developer(browser: Browser, make: Make) -> None:
    make("alice", "developer")
    assert browser.get("/people?x=1").headers["location"] == "/sign-in?next=/people%3Fx%3D1"
    sign_in(browser, to="/people%3Fx%3D1")
    assert browser.page.headers["location"] == "/people?x=1"
    assert browser.follow().status_code == 403
    assert browser.get("/").text == "hello alice"


@pytest.mark.parametrize("username", ["alice", "nobody", "disabled", "\u0430lice", ""])
def test_every_refusal_is_the_same_page(service: Service, browser: Browser, make: Make, username: str) -> None:
    # auth service 35
    make("alice")
    make("disabled")
    with service.unit_of_work(CONSOLE) as uow:
        DisableUser("disabled")(uow)
    password = PASSWORD if username == "disabled" else "wrong wrong wrong"
    sign_in(browser, username, password)
    assert browser.page.status_code == 401
    unsaid = re.sub(r'value="[^"]*"', "", browser.page.text)
    sign_in(browser, "somebody else", "x")
    assert unsaid == re.sub(r'value="[^"]*"', "", browser.page.text)
    assert "wrong wrong" not in browser.page.text
    assert browser.get("/").headers["location"] == "/sign-in"


def test_an_administrator_does_nothing_before_a_second_factor(  # auth service 31
    browser: Browser, make: Make, clock: FakeClock
) -> None:
    make("boss", "administrator")
    sign_in(browser, "boss", to="/people")
    assert browser.page.headers["location"] == "/sign-in/enrol?next=/people"
    for path in ("/people", "/", "/account", "/sign-in/second-factor"):
        assert browser.get(path).headers["location"].startswith("/sign-in/enrol")
    assert browser.get("/sign-in").status_code == 303
    browser.page = browser.get("/sign-in/enrol?next=/people")
    page = browser.page.text
    browser.submit("/sign-in/enrol", code="000000")
    assert browser.page.status_code == 422
    browser.submit("/sign-in/enrol", code=code(seed_on(page), clock))
    assert 'href="/people"' in browser.follow().text
    assert browser.get("/people").text == "people"


def test_password_then_code(browser: Browser, make: Make, clock: FakeClock) -> None:  # auth service 31, 40
    make("boss", "administrator")
    sign_in(browser, "boss")
    seed, _codes = enrol(browser, clock)
    browser.get("/account")
    browser.submit("/sign-out")
    ids = [browser.cookie]
    sign_in(browser, "boss", to="/people")
    ids.append(browser.cookie)
    assert browser.follow().status_code == 200
    browser.submit("/sign-in/second-factor", code=code(seed, clock))
    assert browser.page.status_code == 401  # the code that enrolled
    assert browser.get("/people").headers["location"].startswith("/sign-in/second-factor")
    clock.advance(60)
    browser.get("/sign-in/second-factor?next=/people")
    browser.submit("/sign-in/second-factor", code=code(seed, clock))
    ids.append(browser.cookie)
    assert browser.page.headers["location"] == "/people"
    assert browser.get("/people").text == "people"
    assert len(set(ids)) == 3
    for dead in ids[:2]:
        browser.cookie = dead
        assert browser.get("/people").headers["location"].startswith("/sign-in")


def test_five_wrong_codes_end_the_half_login_and_are_counted_apart(  # auth service 39
    browser: Browser, make: Make, clock: FakeClock
) -> None:
    make("boss", "administrator")
    sign_in(browser, "boss")
    seed, codes = enrol(browser, clock)
    clock.advance(300)
    browser.get("/account")
    browser.submit("/sign-out")
    sign_in(browser, "boss")
    browser.follow()
    for _ in range(4):
        assert "Second factor" in browser.submit("/sign-in/second-factor", code="000000").text
    assert "Not signed in" in browser.submit("/sign-in/second-factor", code="000000").text
    assert browser.get("/people").headers["location"].startswith("/sign-in?")
    sign_in(browser, "boss")  # the password is not blocked by it
    assert browser.page.headers["location"].startswith("/sign-in/second-factor")
    browser.follow()
    browser.submit("/sign-in/second-factor", code=codes[0])  # but codes are, for a while
    assert browser.page.status_code == 401
    clock.advance(31)
    sign_in(browser, "boss")
    browser.follow()
    browser.submit("/sign-in/second-factor", code=code(seed, clock))
    assert browser.follow().text == "hello boss"


def test_a_recovery_code_lets_in_once(browser: Browser, make: Make, clock: FakeClock) -> None:  # auth service 41
    make("boss", "administrator")
    sign_in(browser, "boss")
    _seed, codes = enrol(browser, clock)
    for expected in (303, 401):
        browser.get("/account")
        browser.submit("/sign-out")
        sign_in(browser, "boss")
        browser.follow()
        assert browser.submit("/sign-in/second-factor", code=codes[0]).status_code == expected


def test_a_passkey_as_second_factor(browser: Browser, make: Make) -> None:  # auth service 41
    make("boss", "administrator")
    authenticator = Authenticator()
    sign_in(browser, "boss")
    browser.follow()
    csrf = {"x-csrf-token": browser.csrf, "sec-fetch-site": "same-origin"}
    page = browser.page
    options = browser.post("/sign-in/enrol/passkey/options", **csrf)
    assert options.headers["content-type"] == "application/json"
    browser.page = page
    browser.submit("/sign-in/enrol/passkey", name="laptop", answer=authenticator.create(options.text))
    assert browser.page.headers["location"] == "/account/recovery-codes"
    browser.get("/account")
    browser.submit("/sign-out")
    sign_in(browser, "boss")
    page = browser.follow()
    options = browser.post("/sign-in/passkey/options", **{"x-csrf-token": browser.csrf})
    answer = authenticator.get(options.text)
    browser.page = page
    browser.submit("/sign-in/passkey", answer=answer.replace("public-key", "private-key"))
    assert browser.page.status_code == 401
    browser.submit("/sign-in/passkey", answer=answer)  # its challenge is spent
    assert browser.page.status_code == 401
    page = browser.page
    options = browser.post("/sign-in/passkey/options", **{"x-csrf-token": browser.csrf})
    browser.page = page
    browser.submit("/sign-in/passkey", answer=authenticator.get(options.text))
    assert browser.follow().text == "hello boss"


POSTS = [route.path for route in ROUTES if "POST" in (route.methods or ())]


@pytest.mark.parametrize("path", [*POSTS, "/people"])
def test_nothing_is_changed_without_proof_or_from_another_site(  # auth service 30
    browser: Browser, make: Make, clock: FakeClock, path: str
) -> None:
    make("boss", "administrator")
    sign_in(browser, "boss")
    enrol(browser, clock)
    browser.get("/account")
    proof = browser.csrf
    assert browser.post(path).status_code == 403
    assert browser.post(path, {"csrf": proof[:-1] + "x"}).status_code == 403
    assert browser.post(path, {"csrf": proof}, **{"sec-fetch-site": "cross-site"}).status_code == 403
    assert browser.post(path, {"csrf": proof}, **{"sec-fetch-site": "same-site"}).status_code == 403
    assert browser.get("/").text == "hello boss"
    assert browser.post(path, {"csrf": proof}).status_code != 403


def test_the_proof_of_one_visitor_is_worth_nothing_to_another(app: Starlette, make: Make) -> None:  # auth service 30
    make("mallory")
    with Browser(app) as mallory, Browser(app) as victim:
        mallory.get("/sign-in")
        victim.get("/sign-in")
        fields = {"csrf": mallory.csrf, "username": "mallory", "password": PASSWORD}
        assert victim.post("/sign-in", fields).status_code == 403
        assert mallory.post("/sign-in", fields).status_code == 303


def test_a_planted_session_is_not_taken_over(app: Starlette, make: Make, service: Service) -> None:  # auth service 31
    make("alice")
    mallory = make("mallory")
    with service.unit_of_work(mallory.actor()) as uow:
        planted = sessions.begin(uow, mallory, stage=Stage.FULL).cookie.value
    with Browser(app) as victim, Browser(app) as attacker:
        victim.cookie = planted
        victim.get("/account")
        victim.post("/sign-in", {"csrf": victim.csrf, "username": "alice", "password": PASSWORD})
        assert victim.cookie != planted
        assert victim.get("/").text == "hello alice"
        attacker.cookie = planted
        assert attacker.get("/").headers["location"] == "/sign-in"


def test_signing_out_kills_the_cookie(browser: Browser, make: Make) -> None:  # auth service 31
    make("alice")
    sign_in(browser)
    kept = browser.cookie
    browser.get("/account")
    browser.submit("/sign-out")
    assert browser.cookie != kept
    browser.cookie = kept
    assert browser.get("/").headers["location"] == "/sign-in"


def test_the_cookie_is_for_this_host_and_no_script(browser: Browser) -> None:  # auth service 31
    given = browser.get("/sign-in").headers["set-cookie"].lower()
    assert given.startswith("__host-roomkey=rkse_")
    assert {"path=/", "secure", "httponly", "samesite=lax"} <= {part.strip() for part in given.split(";")}
    assert "domain" not in given


GETS = [route.path for route in ROUTES if "GET" in (route.methods or ())]


@pytest.mark.parametrize("path", [*GETS, "/", "/people"])
def test_every_page_forbids_frames_inline_code_and_keeping(  # auth service 32
    browser: Browser, make: Make, path: str
) -> None:
    make("alice")
    for signed_in in (False, True):
        headers = browser.get(path).headers
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["strict-transport-security"]
        assert not re.search(r"<script(?![^>]*src=)|style=|<style|\son[a-z]+=", browser.page.text)
        if not signed_in:
            sign_in(browser)


def test_pages_are_whole_without_scripts_and_name_their_files(browser: Browser, make: Make) -> None:
    make("alice")
    sign_in(browser)
    browser.get("/account")
    script = re.search(r'src="(/static/[^"]*passkey\.js)"', browser.page.text)
    assert script is not None
    assert browser.get(script[1]).headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%09/evil.example\t",
        "javascript:1",
        "http:evil.example",
        "/a\r\nSet-Cookie: x=1",
        "///evil.example",
        "evil",
        "",
        " /x",
        "/\u00e9",
        "/" + "x" * 5000,
    ],
)
def test_next_is_a_local_path(wanted: str) -> None:  # auth service 29
    assert local_path(wanted) == "/"


@pytest.mark.parametrize(
    "wanted", ["/people", "/oauth2/authorize?client_id=a&redirect_uri=https%3A%2F%2Fx", "/a?b=//c"]
)
def test_next_keeps_our_own_pages(wanted: str) -> None:  # auth service 29
    assert local_path(wanted) == wanted


def test_a_bent_next_leads_home(browser: Browser, make: Make) -> None:  # auth service 29
    make("alice")
    browser.get("/sign-in")
    browser.submit("/sign-in", username="alice", password=PASSWORD, next="https://evil.example/")
    assert browser.page.headers["location"] == "/"


def test_a_bent_host_leads_nowhere_else(browser: Browser) -> None:  # auth service 33
    page = browser.get("/people", host="evil.example/x?y", **{"x-forwarded-host": "evil.example"})
    assert page.headers["location"] == "/sign-in?next=/people"
    assert "evil" not in browser.get("/sign-in", host="evil.example").text


def confirmed(browser: Browser) -> None:
    browser.get("/account/confirm?next=/account")
    browser.submit("/account/confirm", password=PASSWORD)
    browser.follow()


def test_another_password_asks_for_the_old_one_and_ends_all_else(  # auth service 42
    app: Starlette, make: Make, clock: FakeClock
) -> None:
    make("alice")
    with Browser(app) as browser, Browser(app) as elsewhere:
        sign_in(elsewhere)
        sign_in(browser)
        clock.advance(301)
        browser.get("/account")
        browser.submit("/account/password", new_password=OTHER)
        assert browser.page.headers["location"] == "/account/confirm?next=/account"
        browser.follow()
        assert browser.submit("/account/confirm", password="wrong wrong wrong").status_code == 401
        before = browser.cookie
        confirmed(browser)
        assert browser.cookie != before
        assert browser.submit("/account/password", new_password="password1234").status_code == 422
        assert browser.submit("/account/password", new_password=OTHER).status_code == 303
        assert browser.get("/").text == "hello alice"
        assert elsewhere.get("/").headers["location"] == "/sign-in"
        sign_in(elsewhere)
        assert elsewhere.page.status_code == 401
        sign_in(elsewhere, password=OTHER)
        assert elsewhere.follow().text == "hello alice"


def test_factors_are_set_up_and_taken_away_on_the_account_page(  # auth service 42
    app: Starlette, make: Make, clock: FakeClock, service: Service
) -> None:
    alice = make("alice")
    with Browser(app) as browser, Browser(app) as elsewhere:
        sign_in(elsewhere)
        sign_in(browser)
        browser.get("/account")
        assert browser.submit("/account/totp/begin").headers["location"] == "/account/totp"
        page = browser.follow().text
        assert browser.submit("/account/totp", code="000000").status_code == 422
        browser.submit("/account/totp", code=code(seed_on(page), clock))
        assert browser.page.headers["location"] == "/account/recovery-codes"
        assert "-" in browser.follow().text
        assert browser.get("/account/recovery-codes").headers["location"] == "/account"  # auth service 32
        assert elsewhere.get("/").headers["location"] == "/sign-in"
        browser.get("/account")
        assert "recovery-codes" in browser.submit("/account/recovery-codes").headers["location"]
        authenticator = Authenticator()
        page = browser.get("/account")
        options = browser.post("/account/passkeys/options", **{"x-csrf-token": browser.csrf})
        browser.page = page
        browser.submit("/account/passkeys", name="<b>laptop", answer=authenticator.create(options.text))
        assert browser.page.status_code == 303
        assert "&lt;b&gt;laptop" in browser.get("/account").text  # auth service 34
        with service.look(alice.actor()) as uow:
            (listed,) = passkeys.list_passkeys(uow, alice)
        assert browser.submit("/account/passkeys/remove", passkey=listed.id).status_code == 303
        browser.get("/account")
        assert browser.submit("/account/totp/remove").status_code == 303
    with service.look(CONSOLE) as uow:
        assert not users.get(uow, alice.id).has_second_factor


def test_own_sessions_end_and_others_are_not_there(  # auth service 44
    app: Starlette, make: Make, service: Service
) -> None:
    make("alice")
    bob = make("bob")
    with service.unit_of_work(bob.actor()) as uow:
        foreign = sessions.begin(uow, bob, stage=Stage.FULL)
    with Browser(app) as browser, Browser(app) as elsewhere:
        sign_in(elsewhere)
        sign_in(browser)
        ids = set(re.findall(r'name="session" value="(ses_[a-z0-9]+)"', browser.get("/account").text))
        assert len(ids) == 2
        assert browser.submit("/account/sessions/end", session=foreign.session.id).status_code == 404
        browser.get("/account")
        for session in ids:
            browser.submit("/account/sessions/end", session=session)
            if browser.page.headers["location"] == "/sign-in":
                break
            browser.follow()
        assert browser.get("/").headers["location"] == "/sign-in"
    with service.look(CONSOLE) as uow:
        assert sessions.look_up(uow, foreign.cookie.value) is not None


FIELDS = {"role": "administrator", "roles": "administrator", "tenant": "acme", "scopes": "all", "id": "usr_x"}


@pytest.mark.parametrize("path", POSTS)
def test_no_form_gives_its_sender_more(  # auth service 43
    browser: Browser, make: Make, service: Service, path: str
) -> None:
    alice = make("alice", "developer")
    sign_in(browser)
    browser.get("/account")
    browser.submit(path, **FIELDS, user_id="usr_x", disabled_at="", username_key="x", totp_step="0", stage="full")
    with service.look(CONSOLE) as uow:
        now = users.get(uow, alice.id)
    assert (now.roles, now.tenant, now.scopes, now.username) == (("developer",), None, None, "alice")


def test_every_route_says_whom_it_lets_in() -> None:  # auth service 44
    anybody = {route.path for route in ROUTES if route.endpoint.access == PageAccess(None)}
    assert anybody == {"/sign-in", "/sign-out", "/setup"}
    assert all(isinstance(route.endpoint.access, PageAccess) for route in ROUTES)


def test_the_session_goes_on_while_it_is_used_and_ends_idle(browser: Browser, make: Make, clock: FakeClock) -> None:
    # auth service 31
    make("alice")
    sign_in(browser)
    for _ in range(3):
        clock.advance(3000)
        assert browser.get("/").text == "hello alice"
    clock.advance(3601)
    assert browser.get("/").headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"csrf=\xff\xfe", "application/x-www-form-urlencoded"),
        (b"csrf=%ff", "application/x-www-form-urlencoded"),
        (b"a=1&" * 300, "application/x-www-form-urlencoded"),
        (b"x" * 70_000, "application/x-www-form-urlencoded"),
        (b"csrf=a&csrf=b", "application/x-www-form-urlencoded"),
        (b'{"csrf": 1}', "application/json"),
    ],
)
def test_what_is_no_form_is_refused(browser: Browser, body: bytes, kind: str) -> None:  # auth service 59
    browser.get("/sign-in")
    answer = browser._runner.run(browser._client.post("/sign-in", content=body, headers={"content-type": kind}))
    assert answer.status_code in {403, 422}
