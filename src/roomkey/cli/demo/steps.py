"""The steps of the demo. Each one makes its claims and holds them against what the servers counted."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from roomkey.cli.demo.doors import forged_keys, three_ways
from roomkey.cli.demo.outcome import Check, Outcome, at_least, exactly, so
from roomkey.cli.demo.stage import ISSUER_DELAY, LIST_SECONDS, SHORT_TOKEN_SECONDS, TOKEN_SECONDS, Application, Stage

THREADS: Final = 64
_LONGEST_STEP: Final = 6.0
_ATTEMPTS: Final = 2
_SOON: Final = 0.05
_QUIET: Final = 3 * LIST_SECONDS


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its title, what it shows, and what it does."""

    title: str
    sentence: str
    play: Callable[[Stage], Outcome]


def first_call(stage: Stage) -> Outcome:
    """An application calls the API twice: one token request, and nothing readable on the disk."""
    reports = stage.application("reports")
    stage.begin()
    reports.call()
    reports.call()
    counted = stage.counted()
    held = stage.store_bytes()
    readable = any(secret.encode() in held for secret in stage.issuer.secret_values)
    return _outcome(
        stage,
        reports,
        exactly(len(counted.tokens), 1, "token request"),
        exactly(reports.answered, 2, "call answered 200", "calls answered 200"),
        so(
            "the store's file holds the key sealed, not in plain text",
            bool(held) and not readable,
        ),
    )


def many_threads(stage: Stage) -> Outcome:
    """64 threads without a token call the API at the same moment: one token request for all of them."""
    imports = stage.application("imports")
    stage.begin()
    imports.call_at_once(THREADS)
    counted = stage.counted()
    return _outcome(
        stage,
        imports,
        exactly(len(counted.tokens), 1, "token request"),
        exactly(imports.answered, THREADS, "call answered 200", "calls answered 200"),
        exactly(
            len({call.token_digest for call in counted.calls}), 1, "key shown at the door", "keys shown at the door"
        ),
    )


def background_refresh(stage: Stage) -> Outcome:
    """A short-lived token is replaced while calls go on with the old one."""
    sync = stage.application("sync")
    stage.issuer.lifetime = SHORT_TOKEN_SECONDS
    stage.issuer.delay = 2 * ISSUER_DELAY
    sync.call()  # the key that is going to be replaced; counting begins after it
    sync.calls.clear()
    stage.begin()
    with stage.screen.waiting("calling every 10 ms while the key grows old …"):
        sync.call_until(lambda: _keys(stage) > 1, seconds=_LONGEST_STEP)
    counted = stage.counted()
    slow = stage.issuer.delay
    stage.issuer.lifetime, stage.issuer.delay = TOKEN_SECONDS, ISSUER_DELAY
    asked = [request.arrived for request in counted.tokens]
    old = counted.calls[0].token_digest if counted.calls else None
    meanwhile = sum(
        call.token_digest == old and call.status == 200 and asked[0] < call.arrived < asked[0] + slow
        for call in (counted.calls if asked else ())
    )
    return _outcome(
        stage,
        sync,
        exactly(len(counted.tokens), 1, "token request for the next key", "token requests for the next key"),
        at_least(meanwhile, 5, f"calls went on with the old key in the {slow * 1000:.0f} ms that this took"),
        _none_failed(sync),
    )


def revoked_token(stage: Stage) -> Outcome:
    """The issuer revokes the token; the API reads so in a list, and answers 401; the call is answered all the same."""
    billing = stage.application("billing")
    stage.issuer.status_claims = True  # its keys name the list that says which of them are revoked
    billing.call()
    billing.calls.clear()
    stage.begin()
    stage.trace.take()
    stage.issuer.revoke_all()
    stage.screen.note("the issuer revokes every key, and its list says so")
    time.sleep(_QUIET)  # long enough for the API to wait for a newer list before it takes another key
    billing.call()
    stage.issuer.status_claims = False
    counted = stage.counted()
    statuses = [call.status for call in counted.calls]
    return _outcome(
        stage,
        billing,
        so(f"the API answered {', then '.join(map(str, statuses))}", statuses == [401, 200]),
        exactly(len(counted.tokens), 1, "token request for the new key", "token requests for the new key"),
        so("the application saw one call, answered 200", [call.status for call in billing.calls] == [200]),
    )


def outage(stage: Stage) -> Outcome:
    """The issuer answers 503 while the token grows stale; calls go on, the issuer is spared, then it recovers."""
    orders = stage.application("orders")
    stage.issuer.lifetime = SHORT_TOKEN_SECONDS
    orders.call()
    orders.calls.clear()
    stage.begin()
    stage.trace.take()
    stage.issuer.outage(503)
    stage.screen.note("the issuer breaks down")
    with stage.screen.waiting("calling every 10 ms while the issuer is down …"):
        orders.call_until(lambda: _refused_attempts(stage) >= _ATTEMPTS, seconds=_LONGEST_STEP)
    during = stage.counted()
    given_too_early = _given(stage)
    stage.issuer.recover()
    stage.screen.note("the issuer is back")
    with stage.screen.waiting("calling every 10 ms until the next attempt …"):
        orders.call_until(lambda: _keys(stage) > 1, seconds=_LONGEST_STEP)
    stage.issuer.lifetime = TOKEN_SECONDS
    served = sum(call.status == 200 for call in during.calls)
    asked = len(during.tokens)
    later = len(stage.counted().tokens) - asked
    given = _given(stage)
    return _outcome(
        stage,
        orders,
        _none_failed(orders),
        at_least(served, 50, "calls were served with the old key meanwhile"),
        so(f"the broken issuer was asked {asked} times, not once a call", _ATTEMPTS <= asked <= served // 10),
        so(
            "once it was back, the next attempt brought the new key",
            later <= 1 and given == 1 and not given_too_early and _keys(stage) == 2,
        ),
    )


def _given(stage: Stage) -> int:
    """How many keys the issuer has given out since the trace was last taken."""
    return sum(bool(seen.got_key) for seen in stage.trace.take())


def _refused_attempts(stage: Stage) -> int:
    """How many attempts the broken issuer has answered by now; it notes them when they arrive."""
    answered = time.monotonic() - stage.issuer.delay - _SOON
    return sum(request.arrived < answered for request in stage.counted().tokens)


def _outcome(stage: Stage, application: Application, *checks: Check) -> Outcome:
    return Outcome(
        checks=checks,
        calls=len(application.calls),
        answered=application.answered,
        token_requests=len(stage.counted().tokens),
        slowest=application.slowest,
    )


def _none_failed(application: Application) -> Check:
    made = len(application.calls)
    failed = made - application.answered
    return so(f"{failed} of {made} calls failed", failed == 0)


def _keys(stage: Stage) -> int:
    return len({call.token_digest for call in stage.counted().calls})


STEPS: Final = (
    Step("First call", "Show who you are once, get a key; the next call only shows the key.", first_call),
    Step(f"{THREADS} threads", "All of them without a key at the same moment: one goes to the desk.", many_threads),
    Step(
        "Background refresh",
        "The next key is fetched before the old one ends; nobody waits for it.",
        background_refresh,
    ),
    Step(
        "Revoked token",
        "The door refuses a key: get a new one, and make the call once more.",
        revoked_token,
    ),
    Step("Outage", "The desk is closed while a key grows old: the old one serves meanwhile.", outage),
    Step(
        "Three ways to judge",
        "One key at three doors: JWK handed over, JWKS published, desk asked.",
        three_ways,
    ),
    Step("Forged keys", "The door says no and not why; the reason stands in its log.", forged_keys),
)
