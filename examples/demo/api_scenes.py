"""The scenes of the API's side: three ways to validate a token, and forged tokens."""

import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric import ec
from examples.demo.application import PATH, Application
from examples.demo.auth_service import AUDIENCE, AuthService
from examples.demo.events import Check, Outcome, Party, exactly, holds
from examples.demo.fixture import Fixture

from roomkey.jose.jwks.key_set import KeySet
from roomkey.jose.signing_key import SigningKey
from roomkey.resource_server.validator import TokenValidator
from roomkey.testing import Issuer, ProtectedAPI, attack_tokens

REPEATS: Final = 20
_MEASURED: Final = 200
_LONGEST_CACHED: Final = 0.001
_UNKNOWN: Final = ("a kid that is a path", "a kid that is SQL")
FORGED: Final = ("alg none with a signature", "a foreign key in the header", *_UNKNOWN)


@dataclass(frozen=True, slots=True)
class ValidatingAPI:
    """An API with its own way to validate tokens.

    Attributes:
        name: of that way.
        requests: that it sends to the auth service while one token comes again and again.
        validator: of the API.
        api: the running API.
    """

    name: str
    requests: int
    validator: TokenValidator
    api: ProtectedAPI


def three_ways(fixture: Fixture) -> Outcome:
    """Validate the same token at three APIs: by a static JWK, by the published JWKS, by introspection."""
    apis = _apis(fixture)
    visitor = fixture.application("visitor", *(one.api for one in apis))
    fixture.start_counting()
    header = visitor.credential.header()
    validated = [_validated(fixture, one, visitor, header) for one in apis]
    sent = {call.token_digest for one in apis for call in one.api.requests}
    return fixture.outcome(
        visitor,
        exactly(visitor.answered, REPEATS * len(apis), "call answered 200", "calls answered 200"),
        exactly(len(sent), 1, "token sent to all three APIs", "tokens sent to the three APIs"),
        *validated,
    )


def _apis(fixture: Fixture) -> tuple[ValidatingAPI, ...]:
    def api(name: str, requests: int, validator: TokenValidator) -> ValidatingAPI:
        return ValidatingAPI(name, requests, validator, fixture.add_api(validator))

    static, remote = KeySet.static(fixture.auth_service.jwk), KeySet.remote(fixture.auth_service.jwks_uri)
    return (
        api("static JWK", 0, fixture.validator(keys=static)),
        api("published JWKS", 1, fixture.validator(keys=remote)),
        api("introspection", 1, fixture.introspecting_validator()),
    )


def _validated(fixture: Fixture, one: ValidatingAPI, visitor: Application, header: str) -> Check:
    """Send the same token many times to ``one``: its requests to the auth service, and the time of a validation."""
    fixture.trace.take()
    fixture.note(Party.API, f"validates by {one.name}")
    for _ in range(REPEATS):
        visitor.call(one.api.url)
    seen = fixture.trace.take()
    requests = sum(each.request.caller is Party.API for each in seen)
    first = next((each.took for each in seen if each.request.server is Party.API), 0.0)
    again = statistics.median(_seconds(lambda: one.validator.authorize([header])) for _ in range(_MEASURED))
    times = f"first {first * 1000:5.1f} ms, then {again * 1e6:3.0f} µs"
    return holds(
        f"{one.name:<14}  {times}, requests to the auth service: {requests}",
        requests == one.requests and again < _LONGEST_CACHED,
    )


def _seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def forged_tokens(fixture: Fixture) -> Outcome:
    """Send tokens that the auth service never signed: one response to all of them, and the reason in the API's log."""
    import httpx2

    forged = {attack.name: attack.token for attack in attack_tokens(Forger(fixture.auth_service))}
    responses = []
    slowest = 0.0
    requests = 0
    fixture.start_counting()
    with APILog() as log, httpx2.Client(base_url=fixture.api.url, trust_env=False) as client:
        for name in FORGED:
            fixture.note(Party.APP, f"tries {name}")
            lines = len(log.lines)
            start = time.monotonic()
            response = client.get(PATH, headers={"authorization": f"Bearer {forged[name]}"})
            slowest = max(slowest, time.monotonic() - start)
            responses.append((response.status_code, response.headers.get("www-authenticate"), response.content))
            requests += sum(seen.request.caller is Party.API for seen in fixture.trace.take() if name in _UNKNOWN)
            for line in log.lines[lines:]:
                fixture.log(line)
        reasons = set(log.lines)
    rejected = sum(status == 401 for status, _, _ in responses)
    return Outcome(
        checks=(
            exactly(rejected, len(FORGED), "forged token rejected with 401", "forged tokens rejected with 401"),
            holds("one and the same response to all of them", len(set(responses)) == 1),
            exactly(len(reasons), 3, "reason in the log", "different reasons in the log"),
            holds(f"requests for keys because of {len(_UNKNOWN)} unknown key ids: {requests}", requests == 1),
        ),
        calls=len(responses),
        answered=sum(status == 200 for status, _, _ in responses),
        token_requests=len(fixture.counted().tokens),
        slowest=slowest,
    )


class Forger(Issuer):
    """Signs tokens in the name of ``auth_service`` with a key of its own under the right ``kid``.

    It serves nothing; ``attack_tokens`` makes forged tokens with it.
    """

    def __init__(self, auth_service: AuthService) -> None:
        super().__init__(audience=AUDIENCE)
        self._auth_service = auth_service
        self.keys.signing = SigningKey(
            ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", key_id=str(auth_service.jwk["kid"])
        )
        self.keys.published = [dict(auth_service.jwk)]

    @property
    def url(self) -> str:
        """The ``iss`` of its tokens."""
        return self._auth_service.url


class APILog(logging.Handler):
    """The messages that the API logs while the context lasts.

    Attributes:
        lines: so far.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self._logger = logging.getLogger("roomkey")
        self._level = self._logger.level

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message; ``logging`` calls this."""
        if record.name == self._logger.name:  # the auth service's own loggers stand below it
            self.lines.append(record.getMessage())

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        self._logger.setLevel(logging.INFO)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
