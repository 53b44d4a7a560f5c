"""The demo's steps at the API's side: how a door judges the keys that it is shown."""

import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from roomkey.cli.demo.application import PATH, Application
from roomkey.cli.demo.auth_service import AUDIENCE, Desk
from roomkey.cli.demo.events import Party
from roomkey.cli.demo.fixture import Stage
from roomkey.cli.demo.outcome import Check, Outcome, exactly, so
from roomkey.jose.key_set import KeySet
from roomkey.jose.signing_key import SigningKey
from roomkey.resource_server.validator import TokenValidator
from roomkey.testing import Issuer, ProtectedAPI, attack_tokens
from roomkey.testing.issuer_keys import process_key

LOOKS: Final = 20
_MEASURED: Final = 200
_LONGEST_KNOWN: Final = 0.001
_UNKNOWN: Final = ("a kid that is a path", "a kid that is SQL")
FORGED: Final = ("alg none with a signature", "a foreign key in the header", *_UNKNOWN)


@dataclass(frozen=True, slots=True)
class Door:
    """An API with its own way to judge tokens.

    Attributes:
        name: that way, in a few words.
        words: what the API has for it.
        questions: how often it must ask the auth service while one token comes again and again.
        validator: who judges.
        api: the running API.
    """

    name: str
    words: str
    questions: int
    validator: TokenValidator
    api: ProtectedAPI


def three_ways(stage: Stage) -> Outcome:
    """Three APIs judge the same token: by a JWK handed over, by the published JWKS, by introspection."""
    doors = _doors(stage)
    visitor = stage.application("visitor", *(door.api for door in doors))
    stage.begin()
    header = visitor.credential.header()
    judged = [_judged(stage, door, visitor, header) for door in doors]
    shown = {call.token_digest for door in doors for call in door.api.requests}
    return Outcome(
        checks=(
            exactly(visitor.answered, LOOKS * len(doors), "call answered 200", "calls answered 200"),
            exactly(len(shown), 1, "key shown at all three doors", "keys shown at the three doors"),
            *judged,
        ),
        calls=len(visitor.calls),
        answered=visitor.answered,
        token_requests=len(stage.counted().tokens),
        slowest=visitor.slowest,
    )


def _doors(stage: Stage) -> tuple[Door, ...]:
    def door(name: str, words: str, questions: int, validator: TokenValidator) -> Door:
        return Door(name, words, questions, validator, stage.another_api(validator))

    given, published = KeySet.static(stage.desk.jwk), KeySet.remote(stage.desk.jwks_uri)
    return (
        door("JWK handed over", "a JWK that was handed to it", 0, stage.validator(keys=given)),
        door("JWKS published", "the JWKS that the auth service publishes", 1, stage.validator(keys=published)),
        door("desk asked", "nothing but the address of the desk", 1, stage.asking_validator()),
    )


def _judged(stage: Stage, door: Door, visitor: Application, header: str) -> Check:
    """Show the same token many times at ``door``: how often it asked the auth service, and how long it took."""
    stage.trace.take()
    stage.note(Party.API, f"judges by {door.words}")
    for _ in range(LOOKS):
        visitor.call(door.api.url)
    seen = stage.trace.take()
    questions = sum(one.asked.caller is Party.API for one in seen)
    first = next((one.took for one in seen if one.asked.server is Party.API), 0.0)
    again = _again(door.validator, header)
    times = f"first {first * 1000:5.1f} ms, then {again * 1e6:3.0f} µs"
    return so(
        f"{door.name:<15}  {times}, questions to the desk: {questions}",
        questions == door.questions and again < _LONGEST_KNOWN,
    )


def _again(validator: TokenValidator, header: str) -> float:
    """Seconds, the median of many times, that ``validator`` takes for a header that it has seen before."""
    return statistics.median(_seconds(lambda: validator.authorize([header])) for _ in range(_MEASURED))


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def forged_keys(stage: Stage) -> Outcome:
    """A forger shows tokens that the auth service never signed: one answer to all of them, and why in the API's log."""
    import httpx2

    made = {attack.name: attack.token for attack in attack_tokens(Forger(stage.desk))}
    answers = []
    slowest = 0.0
    questions = 0
    stage.begin()
    with APILog() as log, httpx2.Client(base_url=stage.api.url, trust_env=False) as forger:
        for name in FORGED:
            stage.note(Party.APP, f"tries {name}")
            lines = len(log.lines)
            begun = time.monotonic()
            answer = forger.get(PATH, headers={"authorization": f"Bearer {made[name]}"})
            slowest = max(slowest, time.monotonic() - begun)
            answers.append((answer.status_code, answer.headers.get("www-authenticate"), answer.content))
            questions += sum(seen.asked.caller is Party.API for seen in stage.trace.take() if name in _UNKNOWN)
            for line in log.lines[lines:]:
                stage.log(line)
        written = set(log.lines)
    refused = sum(status == 401 for status, _, _ in answers)
    return Outcome(
        checks=(
            exactly(refused, len(FORGED), "forged key refused with 401", "forged keys refused with 401"),
            so("the forger got one and the same answer to all of them", len(set(answers)) == 1),
            exactly(len(written), 3, "reason in the log", "different reasons in the log"),
            so(
                f"questions to the desk about {len(_UNKNOWN)} signing keys that it does not have: {questions}",
                questions == 1,
            ),
        ),
        calls=len(answers),
        answered=sum(status == 200 for status, _, _ in answers),
        token_requests=len(stage.counted().tokens),
        slowest=slowest,
    )


class Forger(Issuer):
    """Makes tokens in the name of ``desk``, whose private key it lacks: it signs with another one under the right kid.

    It serves nothing; ``attack_tokens`` makes forged tokens of what it is.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(audience=AUDIENCE)
        self._desk = desk
        self.keys.signing = SigningKey(process_key(), algorithm="ES256", key_id=str(desk.jwk["kid"]))
        self.keys.published = [dict(desk.jwk)]

    @property
    def url(self) -> str:
        """The name that its tokens bear."""
        return self._desk.url


class APILog(logging.Handler):
    """What the API logs while its context lasts.

    Attributes:
        lines: the messages so far.
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
