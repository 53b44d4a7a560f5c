"""The scenes of the demo, and those of the client: single flight, background refresh, revocation, outage."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from examples.demo.api_scenes import forged_tokens, three_ways
from examples.demo.auth_service import LIST_SECONDS, TOKEN_DELAY
from examples.demo.events import Outcome, Party, at_least, exactly, holds
from examples.demo.fixture import Fixture
from examples.demo.flow_scenes import app_token, credentials_only, user_with_app

from roomkey.jose.jwks.key_set import KeySet
from roomkey.resource_server.revocation import DenyList
from roomkey.resource_server.revocation_list import ListPolicy

THREADS: Final = 64
_LONGEST_SCENE: Final = 6.0
_ATTEMPTS: Final = 2
_SOON: Final = 0.05
_LIST_POLL: Final = 0.05


@dataclass(frozen=True, slots=True)
class SceneDefinition:
    """One scene: its title, its subject, its function, and the name of the application in it."""

    title: str
    sentence: str
    run: Callable[[Fixture], Outcome]
    app: str = "app"


def many_threads(fixture: Fixture) -> Outcome:
    """Call from 64 threads without a token at the same moment: one token request for all of them (single flight)."""
    imports = fixture.application("imports")
    fixture.start_counting()
    imports.call_at_once(THREADS)
    counted = fixture.counted()
    tokens = len({call.token_digest for call in counted.calls})
    return fixture.outcome(
        imports,
        exactly(len(counted.tokens), 1, "token request"),
        exactly(imports.answered, THREADS, "call answered 200", "calls answered 200"),
        exactly(tokens, 1, "token sent to the API", "tokens sent to the API"),
    )


def background_refresh(fixture: Fixture) -> Outcome:
    """Replace a token before it expires, while calls go on with it."""
    sync = fixture.application("sync", eager=True)
    relay = fixture.auth_service.relay
    relay.delay = 2 * TOKEN_DELAY
    sync.call()  # with the token that is going to be replaced; counting begins after it
    sync.calls.clear()
    fixture.start_counting()
    with fixture.screen.waiting("calling every 10 ms until the token is refreshed …"):
        sync.call_until(lambda: _tokens_sent(fixture) > 1, seconds=_LONGEST_SCENE)
    counted = fixture.counted()
    slow, relay.delay = relay.delay, TOKEN_DELAY
    old = counted.calls[0].token_digest if counted.calls else None
    meanwhile = sum(
        call.token_digest == old and call.status == 200 and counted.tokens[0] < call.arrived < counted.tokens[0] + slow
        for call in (counted.calls if counted.tokens else ())
    )
    return fixture.outcome(
        sync,
        exactly(len(counted.tokens), 1, "token request for the new token", "token requests for the new token"),
        at_least(meanwhile, 5, f"calls went on with the old token in the {slow * 1000:.0f} ms of the request"),
        sync.none_failed(),
    )


def revoked_token(fixture: Fixture) -> Outcome:
    """Revoke the token; the API reads so in the deny list and answers 401; the call succeeds all the same."""
    deny_list = DenyList(url=fixture.auth_service.deny_list_uri, policy=ListPolicy(every=_LIST_POLL))
    api = fixture.add_api(fixture.validator(keys=KeySet.static(fixture.auth_service.jwk), deny_list=deny_list))
    billing = fixture.application("billing", api)
    billing.call(api.url)
    billing.calls.clear()
    fixture.start_counting()
    fixture.trace.take()
    fixture.auth_service.revoke_tokens("billing")
    fixture.note(Party.AUTH, "revokes the app's tokens and lists them in the deny list")
    time.sleep(LIST_SECONDS + _LIST_POLL)  # the list is written once a second at most
    before = len(api.requests)
    billing.call(api.url)
    statuses = [call.status for call in api.requests[before:]]
    return fixture.outcome(
        billing,
        holds(f"the API answered {', then '.join(map(str, statuses))}", statuses == [401, 200]),
        exactly(len(fixture.counted().tokens), 1, "token request for the new token", "token requests"),
        holds("the application saw one call, answered 200", [call.status for call in billing.calls] == [200]),
    )


def outage(fixture: Fixture) -> Outcome:
    """Answer 503 at the token endpoint while the token grows stale; calls go on, with few attempts meanwhile."""
    orders = fixture.application("orders", eager=True)
    orders.call()
    orders.calls.clear()
    fixture.start_counting()
    fixture.trace.take()
    fixture.auth_service.outage()
    fixture.note(Party.AUTH, "is down: 503 with Retry-After: 1")
    with fixture.screen.waiting("calling every 10 ms during the outage …"):
        orders.call_until(lambda: _failed_attempts(fixture) >= _ATTEMPTS, seconds=_LONGEST_SCENE)
    during = fixture.counted()
    issued_too_early = _issued(fixture)
    fixture.auth_service.recover()
    fixture.note(Party.AUTH, "is up again")
    with fixture.screen.waiting("calling every 10 ms until the next attempt …"):
        orders.call_until(lambda: _tokens_sent(fixture) > 1, seconds=_LONGEST_SCENE)
    served = sum(call.status == 200 for call in during.calls)
    attempts = len(during.tokens)
    later = len(fixture.counted().tokens) - attempts
    issued = _issued(fixture)
    return fixture.outcome(
        orders,
        orders.none_failed(),
        at_least(served, 50, "calls were answered with the old token meanwhile"),
        holds(f"{attempts} attempts at the token endpoint, not one per call", _ATTEMPTS <= attempts <= served // 10),
        holds(
            "after the outage, the next attempt brought the new token",
            later <= 1 and issued == 1 and not issued_too_early and _tokens_sent(fixture) == 2,
        ),
    )


def _issued(fixture: Fixture) -> int:
    """The number of tokens issued since the trace was last taken."""
    return sum(bool(seen.token) for seen in fixture.trace.take())


def _failed_attempts(fixture: Fixture) -> int:
    """The number of attempts that were answered 503 by now; they are counted when they arrive."""
    answered = time.monotonic() - fixture.auth_service.relay.delay - _SOON
    return sum(arrived < answered for arrived in fixture.counted().tokens)


def _tokens_sent(fixture: Fixture) -> int:
    return len({call.token_digest for call in fixture.counted().calls})


SCENES: Final = (
    SceneDefinition("Service account", "A user gets an app token in the backoffice; three APIs accept it.", app_token),
    SceneDefinition("Credentials only", "A user's password once; then the token alone is sent.", credentials_only),
    SceneDefinition(
        "Credentials + service account", "The token names the user and the client that acts.", user_with_app
    ),
    SceneDefinition(
        f"{THREADS} threads", "All of them without a token at the same moment: one token request.", many_threads
    ),
    SceneDefinition(
        "Background refresh", "The new token is fetched before the old one expires; no call waits.", background_refresh
    ),
    SceneDefinition("Revoked token", "The API answers 401: get a new token, and repeat the call once.", revoked_token),
    SceneDefinition("Outage", "The token endpoint is down when the token grows old: calls go on.", outage),
    SceneDefinition(
        "Three ways to validate", "One token at three APIs: a static JWK, the JWKS, introspection.", three_ways
    ),
    SceneDefinition(
        "Forged tokens", "One response to all of them; the reason is in the API's log.", forged_tokens, app="forger"
    ),
)
