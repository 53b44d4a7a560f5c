"""The demo's steps at the API's side: how a door judges the keys that it is shown."""

import logging
import statistics
import time
from collections.abc import Callable
from typing import Final, Self

from roomkey.cli.demo.outcome import Outcome, exactly, so
from roomkey.cli.demo.stage import PATH, Stage
from roomkey.jose.key_set import KeySet
from roomkey.resource_server.introspection import Introspection
from roomkey.resource_server.validator import TokenValidator
from roomkey.testing import attack_tokens

LOOKS: Final = 20
_MEASURED: Final = 200
_LONGEST_KNOWN: Final = 0.001
_UNKNOWN: Final = ("a kid that is a path", "a kid that is SQL")
FORGED: Final = ("alg none with a signature", "a foreign key in the header", *_UNKNOWN)


def three_ways(stage: Stage) -> Outcome:
    """Three APIs judge the same token: by a JWK handed over, by the published JWKS, by introspection."""
    account = stage.issuer.add_client("orders-api")
    asked = Introspection(
        client_id=account.client_id,
        client_secret=account.client_secret,
        endpoint=stage.issuer.introspection_endpoint,
    )
    doors = [
        (
            "JWK handed over",
            "a JWK that was handed to it",
            0,
            stage.validator(keys=KeySet.static(stage.issuer.keys.published[0])),
        ),
        (
            "JWKS published",
            "the JWKS that the issuer publishes",
            1,
            stage.validator(keys=KeySet.remote(stage.issuer.jwks_uri)),
        ),
        ("desk asked", "nothing but the address of the desk", 1, stage.validator(introspection=asked)),
    ]
    apis = [stage.another_api(validator) for _, _, _, validator in doors]
    visitor = stage.application("visitor", *apis)
    stage.begin()
    header = visitor.credential.header()
    checks = []
    for (name, words, needed, validator), api in zip(doors, apis, strict=True):
        stage.trace.take()
        stage.screen.note(f"a door with {words}")
        for _ in range(LOOKS):
            visitor.call(api.url)
        seen = stage.trace.take()
        questions = sum(one.caller == "api" for one in seen)
        first = next((one.took for one in seen if one.server == "api"), 0.0)
        again = _again(validator, header)
        times = f"first {first * 1000:4.1f} ms, then {again * 1e6:3.0f} µs"
        checks.append(
            so(
                f"{name:<15}  {times}, questions to the issuer: {questions}",
                questions == needed and again < _LONGEST_KNOWN,
            )
        )
    shown = {call.token_digest for api in apis for call in api.requests}
    return Outcome(
        checks=(
            exactly(visitor.answered, LOOKS * len(doors), "call answered 200", "calls answered 200"),
            exactly(len(shown), 1, "key shown at all three doors", "keys shown at the three doors"),
            *checks,
        ),
        calls=len(visitor.calls),
        answered=visitor.answered,
        token_requests=len(stage.counted().tokens),
        slowest=visitor.slowest,
    )


def _again(validator: TokenValidator, header: str) -> float:
    """Seconds, the median of many times, that ``validator`` takes for a header that it has seen before."""
    return statistics.median(_seconds(lambda: validator.authorize([header])) for _ in range(_MEASURED))


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def forged_keys(stage: Stage) -> Outcome:
    """A forger shows tokens that the issuer never signed: one answer to all of them, and why in the API's log."""
    import httpx2

    made = {attack.name: attack.token for attack in attack_tokens(stage.issuer)}
    answers = []
    slowest = 0.0
    questions = 0
    stage.begin()
    with APILog() as log, httpx2.Client(base_url=stage.api.url, trust_env=False) as forger:
        for name in FORGED:
            stage.screen.note(f"forged: {name}")
            lines = len(log.lines)
            begun = time.monotonic()
            answer = forger.get(PATH, headers={"authorization": f"Bearer {made[name]}"})
            slowest = max(slowest, time.monotonic() - begun)
            answers.append((answer.status_code, answer.headers.get("www-authenticate"), answer.content))
            questions += sum(seen.caller == "api" for seen in stage.trace.take() if name in _UNKNOWN)
            for line in log.lines[lines:]:
                stage.screen.log(line)
        written = set(log.lines)
    refused = sum(status == 401 for status, _, _ in answers)
    return Outcome(
        checks=(
            exactly(refused, len(FORGED), "forged key refused with 401", "forged keys refused with 401"),
            so("the forger got one and the same answer to all of them", len(set(answers)) == 1),
            exactly(len(written), 3, "reason in the log", "different reasons in the log"),
            so(
                f"questions to the issuer about {len(_UNKNOWN)} signing keys that it does not have: {questions}",
                questions == 1,
            ),
        ),
        calls=len(answers),
        answered=sum(status == 200 for status, _, _ in answers),
        token_requests=len(stage.counted().tokens),
        slowest=slowest,
    )


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
        self.lines.append(record.getMessage())

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        self._logger.setLevel(logging.INFO)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
