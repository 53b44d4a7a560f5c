"""The three flows of the pattern as scenes: an app token from the backoffice, a user alone, a user with an app."""

from typing import Final

from roomkey.cli.demo.application import PATH, Application
from roomkey.cli.demo.auth_service import SCOPE, Login
from roomkey.cli.demo.browser import Browser
from roomkey.cli.demo.events import Note, Party
from roomkey.cli.demo.exchange import Exchange
from roomkey.cli.demo.fixture import Stage
from roomkey.cli.demo.outcome import Outcome, exactly, so
from roomkey.cli.demo.views import LiveDiagram, Plan, Way
from roomkey.errors import ConfigurationError
from roomkey.jose.key_set import KeySet
from roomkey.oauth.grants import Password
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.secret import Secret
from roomkey.stores.keyring import Keyring, Opened
from roomkey.stores.private_file import write_new

PERSON, AUTH, APP, API = Party
_FORM, _ONCE = "/token-requests/~new", "/shown-once"
_TOKEN, _JWKS, _INTROSPECT = "/oauth2/token", "/oauth2/jwks", "/oauth2/introspect"
_STEPS: Final = 11
_JUDGED: Final[dict[Way, tuple[Note, ...]]] = {(API, APP, PATH): (Note(API, "{says}"),)}


def app_token(stage: Stage) -> Outcome:
    """A person gets an app token in the backoffice; an app calls with it, at APIs that judge in each of three ways."""
    carol = stage.desk.person("carol", "developer")
    stage.desk.account("reports", owner=carol)
    asking = stage.another_api(stage.asking_validator())
    published = stage.another_api(stage.validator(keys=KeySet.remote(stage.desk.jwks_uri)))
    given = stage.another_api(stage.validator(keys=KeySet.static(stage.desk.jwk)))
    stage.begin()
    with Browser(stage.desk.url) as browser, stage.in_diagram(_asking_plan(), PERSON, AUTH, APP, API) as diagram:
        with stage.trace.hidden():
            browser.sign_in(carol)
            form = browser.open_request_form("reports")
        token = browser.ask(form)
        setting = SealedSetting(stage, token)
        reports = stage.calling_with(ServiceAccountToken(setting.secret), asking, published, given)
        reports.call(asking.url)
        seen = _follow(stage, diagram, _published_plan())
        steps = diagram.steps()
        stage.heading("or step 8 by the keys that the service publishes")
        reports.call(published.url)
        seen += _follow(stage, diagram, _given_plan())
        stage.heading("or step 8 by a JWK that was handed over")
        reports.call(given.url)
        seen += stage.trace.take()
        with stage.trace.hidden():
            forgotten = browser.shows_no_more()
    asked = {path: sum(one.asked.path == path for one in seen) for path in (_INTROSPECT, _JWKS)}
    return stage.outcome(
        reports,
        so(f"{len(steps)} steps, each in its place", steps == list(range(1, _STEPS + 1))),
        exactly(reports.answered, 3, "call answered 200", "calls answered 200"),
        so("the page has shown the key once, and no more", forgotten),
        so("the app's setting holds the key sealed", stage.readable_secrets() == 0),
        so(
            f"questions for three judgements: {asked[_INTROSPECT]} about the key, {asked[_JWKS]} for public keys",
            list(asked.values()) == [1, 1],
        ),
    )


def _asking_plan() -> Plan:
    return Plan(
        numbers={
            (PERSON, AUTH, _FORM): 1,
            (AUTH, PERSON, _ONCE): 3,
            (APP, API, PATH): 6,
            (API, AUTH, _INTROSPECT): 8,
            (AUTH, API, _INTROSPECT): 9,
            (API, APP, PATH): 11,
        },
        before={
            (PERSON, AUTH, _FORM): (Note(PERSON, "asks in the backoffice for an app token"),),
            (AUTH, PERSON, _FORM): (Note(AUTH, "makes the app token and signs it", 2),),
            (API, APP, PATH): (Note(API, "{says}", 10),),
        },
        after={
            (AUTH, PERSON, _ONCE): (Note(PERSON, "sees it, this once"),),
            (APP, API, PATH): (Note(API, "takes the key from the header", 7),),
        },
    )


def _published_plan() -> Plan:
    verifies = Note(API, "verifies the signature")
    return Plan(
        numbers={(API, AUTH, _JWKS): 8, (AUTH, API, _JWKS): 9},
        before=_JUDGED,
        after={(AUTH, API, _JWKS): (verifies,)},
    )


def _given_plan() -> Plan:
    verifies = Note(API, "verifies the signature, asks nobody", 8)
    return Plan(numbers={}, before=_JUDGED, after={(APP, API, PATH): (verifies,)})


class SealedSetting:
    """The app's secret setting: a file that holds the token sealed, and is opened when the token manager asks for it.

    Attributes:
        secret: what the token manager is given.
    """

    def __init__(self, stage: Stage, token: str) -> None:
        self._stage = stage
        self._keyring = Keyring.generate()
        self._file = stage.folder / "reports.token"
        self._read = False
        write_new(self._file, self._keyring.seal(token.encode(), key=self._file.name))
        stage.note(APP, "is configured with it", 4)
        self.secret = Secret.from_callable(self._open)

    def _open(self) -> str:
        if not self._read:
            self._read = True
            self._stage.note(APP, "opens its sealed setting", 5)
        opened = self._keyring.open(self._file.read_bytes(), key=self._file.name)
        if not isinstance(opened, Opened):
            raise ConfigurationError("the sealed setting cannot be opened")
        return opened.plaintext.decode("ascii")


def credentials_only(stage: Stage) -> Outcome:
    """A user gives name and password to an app that has no secret of its own; it calls twice with the token."""
    bob = stage.desk.person("bob")
    stage.desk.public_account("kiosk")
    plan = Plan(
        numbers={(APP, AUTH, _TOKEN): 2, (AUTH, APP, _TOKEN): 4, (APP, API, PATH): 5, (API, APP, PATH): 7},
        before={
            (APP, AUTH, _TOKEN): (Note(PERSON, "gives name and password to the app", 1),),
            (AUTH, APP, _TOKEN): (Note(AUTH, "checks the password alone", 3),),
            (API, APP, PATH): (Note(API, "{says}", 6),),
        },
        after={(AUTH, APP, _TOKEN): (Note(APP, "keeps it sealed"),)},
    )
    kiosk = stage.calling_with(_password(stage, "kiosk", None, bob.username, bob.password))
    stage.begin()
    with stage.in_diagram(plan, PERSON, AUTH, APP, API) as diagram:
        kiosk.call()
        _follow(stage, diagram, Plan(numbers={}))
        stage.heading("the next call only shows the key")
        kiosk.call()
        stage.trace.take()
    return stage.outcome(
        kiosk,
        exactly(len(stage.counted().tokens), 1, "token request"),
        exactly(kiosk.answered, 2, "call answered 200", "calls answered 200"),
        so("the store's file holds the key sealed, not in plain text", stage.readable_secrets() == 0),
        so("the claims name the user bob; the app has proved nothing", _names(stage, kiosk, "kiosk", bob)),
    )


def user_with_app(stage: Stage) -> Outcome:
    """A user gives name and password to an app, which proves itself too: the claims name both."""
    alice = stage.desk.person("alice")
    secret = stage.desk.account("counter", grants=("password", "refresh_token"))
    plan = Plan(
        numbers={(APP, AUTH, _TOKEN): 2, (AUTH, APP, _TOKEN): 4, (APP, API, PATH): 5, (API, APP, PATH): 7},
        before={
            (APP, AUTH, _TOKEN): (Note(PERSON, "gives name and password to the app", 1),),
            (AUTH, APP, _TOKEN): (Note(AUTH, "checks both: the app's secret, her password", 3),),
            (API, APP, PATH): (Note(API, "{says}", 6),),
        },
    )
    counter = stage.calling_with(_password(stage, "counter", secret, alice.username, alice.password))
    stranger = stage.calling_with(_password(stage, "counter", secret, alice.username, "not her password at all"))
    stage.begin()
    with stage.in_diagram(plan, PERSON, AUTH, APP, API) as diagram:
        counter.call()
        _follow(stage, diagram, Plan(numbers={}))
        stage.heading("somebody else, with a wrong password")
        stranger.call()
        refused = [one for one in stage.trace.take() if one.asked.path == _TOKEN and one.status != 200]
    return stage.outcome(
        counter,
        exactly(counter.answered, 1, "call answered 200", "calls answered 200"),
        so("the claims name both: the user alice, and counter, which acts", _names(stage, counter, "counter", alice)),
        so(
            "a wrong password gets no key, and the call is not sent without one",
            [one.error for one in refused] == ["invalid_grant"] and len(stage.counted().calls) == 1,
        ),
    )


def _password(stage: Stage, client_id: str, secret: Secret | None, username: str, password: str) -> Password:
    return Password(
        token_endpoint=stage.desk.token_endpoint,
        client_id=client_id,
        client_secret=secret,
        scope=SCOPE,
        username=username,
        password=Secret(password),
    )


def _names(stage: Stage, application: Application, client_id: str, user: Login) -> bool:
    """Whether the claims of the application's token name both, judged by the key that the service signs with."""
    claims = stage.validator(keys=KeySet.static(stage.desk.jwk)).validate(application.credential.token().value)
    return (claims.subject, claims.client_id, claims.get("username")) == (user.id, client_id, user.username)


def _follow(stage: Stage, diagram: LiveDiagram, plan: Plan) -> tuple[Exchange, ...]:
    """Go on by another plan, and return what was seen under the one before."""
    seen = stage.trace.take()
    diagram.plan = plan
    return seen
