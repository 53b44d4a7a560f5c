"""The steps of the demo. Each one makes its claims and holds them against what the servers counted."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from roomkey.cli.demo.api_scenes import forged_keys, three_ways
from roomkey.cli.demo.auth_service import LIST_SECONDS, TOKEN_DELAY
from roomkey.cli.demo.events import Party
from roomkey.cli.demo.fixture import Stage
from roomkey.cli.demo.flows import app_token, credentials_only, user_with_app
from roomkey.cli.demo.outcome import Outcome, at_least, exactly, so
from roomkey.jose.key_set import KeySet
from roomkey.resource_server.deny_list import DenyList
from roomkey.resource_server.polled_list import ListPolicy

THREADS: Final = 64
_LONGEST_STEP: Final = 6.0
_ATTEMPTS: Final = 2
_SOON: Final = 0.05
_LIST_POLL: Final = 0.05


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its title, what it shows, what it does, and what the app is in it."""

    title: str
    sentence: str
    play: Callable[[Stage], Outcome]
    app: str = "app"


def many_threads(stage: Stage) -> Outcome:
    """64 threads without a token call the API at the same moment: one token request for all of them."""
    imports = stage.application("imports")
    stage.begin()
    imports.call_at_once(THREADS)
    counted = stage.counted()
    return stage.outcome(
        imports,
        exactly(len(counted.tokens), 1, "token request"),
        exactly(imports.answered, THREADS, "call answered 200", "calls answered 200"),
        exactly(
            len({call.token_digest for call in counted.calls}), 1, "key shown at the door", "keys shown at the door"
        ),
    )


def background_refresh(stage: Stage) -> Outcome:
    """A token that grows old is replaced while calls go on with it."""
    sync = stage.application("sync", eager=True)
    desk = stage.desk
    desk.relay.delay = 2 * TOKEN_DELAY
    sync.call()  # the key that is going to be replaced; counting begins after it
    sync.calls.clear()
    stage.begin()
    with stage.screen.waiting("calling every 10 ms while the key grows old …"):
        sync.call_until(lambda: _keys(stage) > 1, seconds=_LONGEST_STEP)
    counted = stage.counted()
    slow, desk.relay.delay = desk.relay.delay, TOKEN_DELAY
    old = counted.calls[0].token_digest if counted.calls else None
    meanwhile = sum(
        call.token_digest == old and call.status == 200 and counted.tokens[0] < call.arrived < counted.tokens[0] + slow
        for call in (counted.calls if counted.tokens else ())
    )
    return stage.outcome(
        sync,
        exactly(len(counted.tokens), 1, "token request for the next key", "token requests for the next key"),
        at_least(meanwhile, 5, f"calls went on with the old key in the {slow * 1000:.0f} ms that this took"),
        sync.none_failed(),
    )


def revoked_token(stage: Stage) -> Outcome:
    """The desk ends the token; the API reads so in a list, and answers 401; the call is answered all the same."""
    deny_list = DenyList(url=stage.desk.deny_list_uri, policy=ListPolicy(every=_LIST_POLL))
    door = stage.another_api(stage.validator(keys=KeySet.static(stage.desk.jwk), deny_list=deny_list))
    billing = stage.application("billing", door)
    billing.call(door.url)
    billing.calls.clear()
    stage.begin()
    stage.trace.take()
    stage.desk.end_tokens("billing")
    stage.note(Party.AUTH, "ends the app's keys for an administrator; a list says so")
    time.sleep(LIST_SECONDS + _LIST_POLL)  # the list is made anew once a second at most
    before = len(door.requests)
    billing.call(door.url)
    statuses = [call.status for call in door.requests[before:]]
    return stage.outcome(
        billing,
        so(f"the API answered {', then '.join(map(str, statuses))}", statuses == [401, 200]),
        exactly(len(stage.counted().tokens), 1, "token request for the new key", "token requests for the new key"),
        so("the application saw one call, answered 200", [call.status for call in billing.calls] == [200]),
    )


def outage(stage: Stage) -> Outcome:
    """The desk answers 503 while the token grows stale; calls go on, the desk is spared, then it recovers."""
    orders = stage.application("orders", eager=True)
    orders.call()
    orders.calls.clear()
    stage.begin()
    stage.trace.take()
    stage.desk.outage()
    stage.note(Party.AUTH, "breaks down: 503, try again in a second")
    with stage.screen.waiting("calling every 10 ms while the desk is closed …"):
        orders.call_until(lambda: _refused_attempts(stage) >= _ATTEMPTS, seconds=_LONGEST_STEP)
    during = stage.counted()
    given_too_early = _given(stage)
    stage.desk.recover()
    stage.note(Party.AUTH, "is back")
    with stage.screen.waiting("calling every 10 ms until the next attempt …"):
        orders.call_until(lambda: _keys(stage) > 1, seconds=_LONGEST_STEP)
    served = sum(call.status == 200 for call in during.calls)
    asked = len(during.tokens)
    later = len(stage.counted().tokens) - asked
    given = _given(stage)
    return stage.outcome(
        orders,
        orders.none_failed(),
        at_least(served, 50, "calls were served with the old key meanwhile"),
        so(f"the closed desk was asked {asked} times, not once a call", _ATTEMPTS <= asked <= served // 10),
        so(
            "once it was back, the next attempt brought the new key",
            later <= 1 and given == 1 and not given_too_early and _keys(stage) == 2,
        ),
    )


def _given(stage: Stage) -> int:
    """How many keys the desk has given out since the trace was last taken."""
    return sum(bool(seen.got_key) for seen in stage.trace.take())


def _refused_attempts(stage: Stage) -> int:
    """How many attempts the closed desk has answered by now; it notes them when they arrive."""
    answered = time.monotonic() - stage.desk.relay.delay - _SOON
    return sum(arrived < answered for arrived in stage.counted().tokens)


def _keys(stage: Stage) -> int:
    return len({call.token_digest for call in stage.counted().calls})


STEPS: Final = (
    Step("Service account", "A person asks for an app token; the app shows it at three doors.", app_token),
    Step("Credentials only", "A user shows name and password once; then the app only shows the key.", credentials_only),
    Step("Credentials + service account", "The key says who the user is, and which app acts.", user_with_app),
    Step(f"{THREADS} threads", "All of them without a key at the same moment: one goes to the desk.", many_threads),
    Step(
        "Background refresh",
        "The next key is fetched before the old one ends; nobody waits for it.",
        background_refresh,
    ),
    Step("Revoked token", "The door refuses a key: get a new one, and make the call once more.", revoked_token),
    Step("Outage", "The desk is closed while a key grows old: the old one serves meanwhile.", outage),
    Step("Three ways to judge", "One key at three doors: JWK handed over, JWKS published, desk asked.", three_ways),
    Step("Forged keys", "The door says no and not why; the reason stands in its log.", forged_keys, app="forger"),
)
