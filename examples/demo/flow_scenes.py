"""The scenes of three flows: an app token from the backoffice, the password grant without and with a client secret."""

from typing import Final

from examples.demo.application import PATH, Application
from examples.demo.auth_service import SCOPE, User
from examples.demo.browser import Browser
from examples.demo.events import Note, Outcome, Party, exactly, holds
from examples.demo.exchange import Exchange
from examples.demo.fixture import Fixture
from examples.demo.trace import LiveDiagram, Plan, Route

from roomkey.errors import ConfigurationError
from roomkey.jose.jwks.key_set import KeySet
from roomkey.oauth.grants import Password
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.secret import Secret
from roomkey.stores.encryption import Opened
from roomkey.stores.keyring import Keyring
from roomkey.stores.private_file import write_new

USER, AUTH, APP, API = Party
_FORM, _ONCE = "/token-requests/~new", "/shown-once"
_TOKEN, _JWKS, _INTROSPECT = "/oauth2/token", "/oauth2/jwks", "/oauth2/introspect"
_STEPS: Final = 11
_RESULT: Final[dict[Route, Note]] = {(API, APP, PATH): Note(API, "{result}")}

_BY_INTROSPECTION: Final = Plan(
    numbers={
        (USER, AUTH, _FORM): 1,
        (AUTH, USER, _ONCE): 3,
        (APP, API, PATH): 6,
        (API, AUTH, _INTROSPECT): 8,
        (AUTH, API, _INTROSPECT): 9,
        (API, APP, PATH): 11,
    },
    before={
        (USER, AUTH, _FORM): Note(USER, "requests an app token in the backoffice"),
        (AUTH, USER, _FORM): Note(AUTH, "creates and signs the app token", 2),
        (API, APP, PATH): Note(API, "{result}", 10),
    },
    after={
        (AUTH, USER, _ONCE): Note(USER, "sees it, this once"),
        (APP, API, PATH): Note(API, "reads the token from the header", 7),
    },
)
_BY_JWKS: Final = Plan(
    numbers={(API, AUTH, _JWKS): 8, (AUTH, API, _JWKS): 9},
    before=_RESULT,
    after={(AUTH, API, _JWKS): Note(API, "verifies the signature")},
)
_BY_STATIC_JWK: Final = Plan(
    before=_RESULT,
    after={(APP, API, PATH): Note(API, "verifies the signature, sends no request", 8)},
)


def app_token(fixture: Fixture) -> Outcome:
    """A user gets an app token in the backoffice; an app calls with it at APIs that validate in three ways."""
    carol = fixture.auth_service.add_user("carol", "developer")
    fixture.auth_service.add_account("reports", owner=carol)
    introspecting = fixture.add_api(fixture.introspecting_validator())
    remote = fixture.add_api(fixture.validator(keys=KeySet.remote(fixture.auth_service.jwks_uri)))
    static = fixture.add_api(fixture.validator(keys=KeySet.static(fixture.auth_service.jwk)))
    fixture.start_counting()
    with (
        Browser(fixture.auth_service.url) as browser,
        fixture.show_as_diagram(_BY_INTROSPECTION, USER, AUTH, APP, API) as diagram,
    ):
        with fixture.trace.hidden():
            browser.sign_in(carol)
            form = browser.open_request_form("reports")
        setting = EncryptedSetting(fixture, browser.send_request(form))
        reports = fixture.application_with(ServiceAccountToken(setting.secret), introspecting, remote, static)
        reports.call(introspecting.url)
        seen = _next_plan(fixture, diagram, _BY_JWKS)
        steps = diagram.steps()
        fixture.heading("or step 8 with the published keys (JWKS)")
        reports.call(remote.url)
        seen += _next_plan(fixture, diagram, _BY_STATIC_JWK)
        fixture.heading("or step 8 with a static JWK")
        reports.call(static.url)
        seen += fixture.trace.take()
        with fixture.trace.hidden():
            gone = browser.token_page_is_gone()
    requests = {path: sum(one.request.path == path for one in seen) for path in (_INTROSPECT, _JWKS)}
    return fixture.outcome(
        reports,
        holds(f"{len(steps)} steps, each in its place", steps == list(range(1, _STEPS + 1))),
        exactly(reports.answered, 3, "call answered 200", "calls answered 200"),
        holds("the page has shown the token once, and no more", gone),
        holds("the app's setting holds the token encrypted", fixture.plaintext_secrets() == 0),
        holds(
            f"requests for three validations: {requests[_INTROSPECT]} introspection, {requests[_JWKS]} for public keys",
            list(requests.values()) == [1, 1],
        ),
    )


class EncryptedSetting:
    """A file of the app with its token, encrypted; it is decrypted when the token manager asks for it.

    Attributes:
        secret: for the token manager.
    """

    def __init__(self, fixture: Fixture, token: str) -> None:
        self._fixture = fixture
        self._keyring = Keyring.generate()
        self._file = fixture.folder / "reports.token"
        self._read = False
        write_new(self._file, self._keyring.seal(token.encode(), key=self._file.name))
        fixture.note(APP, "is configured with it", 4)
        self.secret = Secret.from_callable(self._open)

    def _open(self) -> str:
        if not self._read:
            self._read = True
            self._fixture.note(APP, "decrypts its setting", 5)
        opened = self._keyring.open(self._file.read_bytes(), key=self._file.name)
        if not isinstance(opened, Opened):
            raise ConfigurationError("the encrypted setting cannot be decrypted")
        return opened.plaintext.decode("ascii")


def _password_plan(check: str) -> Plan:
    return Plan(
        numbers={(APP, AUTH, _TOKEN): 2, (AUTH, APP, _TOKEN): 4, (APP, API, PATH): 5, (API, APP, PATH): 7},
        before={
            (APP, AUTH, _TOKEN): Note(USER, "gives name and password to the app", 1),
            (AUTH, APP, _TOKEN): Note(AUTH, check, 3),
            (API, APP, PATH): Note(API, "{result}", 6),
        },
    )


def credentials_only(fixture: Fixture) -> Outcome:
    """A user gives name and password to an app without a client secret; it calls twice with the token."""
    bob = fixture.auth_service.add_user("bob")
    fixture.auth_service.add_public_account("kiosk")
    kiosk = fixture.application_with(_password(fixture, "kiosk", None, bob.username, bob.password))
    fixture.start_counting()
    with fixture.show_as_diagram(_password_plan("checks the password alone"), USER, AUTH, APP, API) as diagram:
        kiosk.call()
        _next_plan(fixture, diagram, Plan())
        fixture.heading("the next call sends the token alone")
        kiosk.call()
        fixture.trace.take()
    return fixture.outcome(
        kiosk,
        exactly(len(fixture.counted().tokens), 1, "token request"),
        exactly(kiosk.answered, 2, "call answered 200", "calls answered 200"),
        holds("the store's file holds the token encrypted", fixture.plaintext_secrets() == 0),
        holds("the claims name the user bob; the app is not authenticated", _names(fixture, kiosk, "kiosk", bob)),
    )


def user_with_app(fixture: Fixture) -> Outcome:
    """A user gives name and password to an app with a client secret: the claims name both."""
    alice = fixture.auth_service.add_user("alice")
    secret = fixture.auth_service.add_account("counter", grants=("password", "refresh_token"))
    plan = _password_plan("checks both: client secret and password")
    counter = fixture.application_with(_password(fixture, "counter", secret, alice.username, alice.password))
    stranger = fixture.application_with(_password(fixture, "counter", secret, alice.username, "a wrong password"))
    fixture.start_counting()
    with fixture.show_as_diagram(plan, USER, AUTH, APP, API) as diagram:
        counter.call()
        _next_plan(fixture, diagram, Plan())
        fixture.heading("another user, with a wrong password")
        stranger.call()
        rejected = [one for one in fixture.trace.take() if one.request.path == _TOKEN and one.status != 200]
    return fixture.outcome(
        counter,
        exactly(counter.answered, 1, "call answered 200", "calls answered 200"),
        holds("the claims name the user alice and the client counter", _names(fixture, counter, "counter", alice)),
        holds(
            "a wrong password gets no token, and no call is sent without one",
            [one.error for one in rejected] == ["invalid_grant"] and len(fixture.counted().calls) == 1,
        ),
    )


def _password(fixture: Fixture, client_id: str, secret: Secret | None, username: str, password: str) -> Password:
    return Password(
        token_endpoint=fixture.auth_service.token_endpoint,
        client_id=client_id,
        client_secret=secret,
        scope=SCOPE,
        username=username,
        password=Secret(password),
    )


def _names(fixture: Fixture, application: Application, client_id: str, user: User) -> bool:
    """True where the validated claims of the application's token name both."""
    validator = fixture.validator(keys=KeySet.static(fixture.auth_service.jwk))
    claims = validator.validate(application.credential.token().value)
    return (claims.subject, claims.client_id, claims.get("username")) == (user.id, client_id, user.username)


def _next_plan(fixture: Fixture, diagram: LiveDiagram, plan: Plan) -> tuple[Exchange, ...]:
    """Continue with another plan, and return the exchanges under the one before."""
    seen = fixture.trace.take()
    diagram.plan = plan
    return seen
