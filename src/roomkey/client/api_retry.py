"""The retry of a request whose token an API rejected: one pure decision over values (RFC 6750 section 3.1).

``decide`` says whether the request is sent once more, ``token_rejected`` is the error where that does not help.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from roomkey.errors import TokenRejected
from roomkey.oauth.challenge import Challenge

_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_PROXY_AUTHENTICATION_REQUIRED: Final = 407
_WORD: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_MOST_CHALLENGES: Final = 3

_ADVICE: Final = (
    "Look at the token's audience (aud), issuer (iss) and scope with `roomkey inspect` and compare them with what the "
    "API expects; compare the clocks of this machine and the API; see whether the account was disabled."
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The rule for what counts as "the token was rejected" at one API, and which requests may then be sent once more.

    Never more than one retry, whatever is set here. Holds no secret; safe in any thread.

    Attributes:
        rejecting_statuses: statuses that reject the token. Add 403 for an API that answers 403 to an expired one.
        rejecting_errors: OAuth error codes that end the token for good; a 401 with another code, or with none, leads to
            a renewal too, but the token is kept while no other one can be had. At other statuses a code that is not
            among these says that a new token would not help.
        wider_scopes: scope words that may be asked for when an API answers ``insufficient_scope``; empty: none.
        methods: methods that may be sent again; None for all, as an API that rejects a token has done nothing yet.
            An empty collection turns the retry off: the token is still dropped.
    """

    rejecting_statuses: Collection[int] = frozenset({401})
    rejecting_errors: Collection[str] = frozenset({"invalid_token"})
    wider_scopes: str = ""
    methods: Collection[str] | None = None
    statuses: frozenset[int] = field(init=False, repr=False, compare=False)
    """Every status that this policy looks at; all others are successes to it."""

    def __post_init__(self) -> None:
        """Check and normalise; raises TypeError and ValueError. Does no I/O."""
        for name in ("rejecting_statuses", "rejecting_errors", "methods"):
            if isinstance(getattr(self, name), str | bytes):
                raise TypeError(f"RetryPolicy({name}=...) takes a collection such as a tuple or a set, not one string")
        if not isinstance(self.wider_scopes, str):
            raise TypeError('RetryPolicy(wider_scopes=...) takes scope words in one string, such as "orders:write"')
        object.__setattr__(self, "rejecting_statuses", frozenset(self.rejecting_statuses))
        object.__setattr__(self, "statuses", frozenset(self.rejecting_statuses) | {401, 403})
        object.__setattr__(self, "rejecting_errors", frozenset(self.rejecting_errors))
        object.__setattr__(self, "wider_scopes", _words(self.wider_scopes.split()))
        if self.methods is not None:
            object.__setattr__(self, "methods", frozenset(method.upper() for method in self.methods))
        for status in self.rejecting_statuses:
            if not 400 <= status <= 599 or status == _PROXY_AUTHENTICATION_REQUIRED:
                raise ValueError(
                    f"RetryPolicy(rejecting_statuses=...) takes statuses from 400 to 599 but 407, not {status}; "
                    "for an error inside a 200 answer use BearerAuth(rejected=...)"
                )

    def wider_scope(self, held: str | None, required: str | None) -> str | None:
        """The scope to ask for so that ``required`` is granted too, or None where that is not allowed or no help.

        ``required`` is the challenge's ``scope`` (RFC 6750 section 3), None where the API does not say: then every
        scope that may be asked for is. ``held`` is what the rejected token was asked with.
        """
        allowed = set(self.wider_scopes.split())
        had = set((held or "").split())
        missing = (set(required.split()) if required else allowed) - had
        return _words(had | missing) if missing and missing <= allowed else None


class Action(StrEnum):
    """An action on a response."""

    RETURN = "return"
    """Hand it to the caller; the token stays."""
    DROP = "drop"
    """Drop the token, and hand the answer to the caller."""
    RENEW = "renew"
    """Drop the token, and send the request once more with another one."""
    WIDEN = "widen"
    """Keep the token, and send the request once more with one of a wider scope."""


class Reason(StrEnum):
    """Why a request is sent once more, or not: a stable word for reports and logs."""

    FINE = "fine"
    NOT_OURS = "not_our_token"
    FORBIDDEN = "forbidden"
    OTHER_ERROR = "other_error"
    REJECTED = "token_rejected"
    REJECTED_AGAIN = "token_rejected_again"
    SCOPE = "insufficient_scope"
    SCOPE_AGAIN = "insufficient_scope_again"
    METHOD = "method_is_not_sent_again"
    BODY = "body_cannot_be_sent_again"
    CIRCUIT = "circuit_open"
    SAME_TOKEN = "no_other_token"  # noqa: S105 - a word for reports
    KEPT = "kept_as_no_other_token_can_be_had_now"


@dataclass(frozen=True, slots=True)
class Sent:
    """The request that was answered.

    Attributes:
        method: the HTTP method, in upper case.
        replayable: its body can be sent again, byte for byte.
        ours: it really carried the credential's token (not so after a redirect to another origin).
        attempt: 1 for the first, 2 for the one retry.
        scope: what its token was asked with; None where the server chose.
    """

    method: str
    replayable: bool
    ours: bool
    attempt: int
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The API's answer: its status, its ``WWW-Authenticate`` challenges, and what the app's own predicate says."""

    status: int
    challenges: tuple[Challenge, ...] = ()
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """An action, its reason, and the scope to ask for (where the action is WIDEN)."""

    action: Action
    reason: Reason
    scope: str | None = None
    certain: bool = field(default=True, compare=False)
    """False for a rejection that may be the API's own trouble, such as a bare 401 while its auth service is down."""


def decide(policy: RetryPolicy, sent: Sent, answered: Answered) -> Decision:
    """The decision about a response (client 38-44, 47). Pure: no I/O, no clock."""
    reason = _reason(policy, sent, answered)
    if reason not in (Reason.REJECTED, Reason.SCOPE):
        return Decision(Action.RETURN, reason)
    scope = policy.wider_scope(sent.scope, _required(answered.challenges)) if reason is Reason.SCOPE else None
    if reason is Reason.SCOPE and (scope is None or sent.attempt > 1):
        return Decision(Action.RETURN, Reason.SCOPE if sent.attempt == 1 else Reason.SCOPE_AGAIN)
    obstacle = _obstacle(policy, sent)
    certain = answered.rejected or not policy.rejecting_errors.isdisjoint(_errors(answered))  # type: ignore[attr-defined]
    if obstacle is not None:
        return Decision(Action.DROP if reason is Reason.REJECTED else Action.RETURN, obstacle, certain=certain)
    return Decision(Action.RENEW if scope is None else Action.WIDEN, reason, scope, certain)


def _errors(answered: Answered) -> set[str]:
    return {error for challenge in answered.challenges if (error := challenge.parameter("error"))}


def _reason(policy: RetryPolicy, sent: Sent, answered: Answered) -> Reason:
    errors = _errors(answered)
    rejected = answered.status in policy.rejecting_statuses
    if answered.status not in policy.statuses and not answered.rejected:
        return Reason.FINE
    if not sent.ours:
        return Reason.NOT_OURS
    if answered.rejected or (rejected and not errors.isdisjoint(policy.rejecting_errors)):
        return Reason.REJECTED
    if answered.status in policy.statuses and Reason.SCOPE in errors:
        return Reason.SCOPE
    if rejected:
        return Reason.OTHER_ERROR if errors and answered.status != _UNAUTHORIZED else Reason.REJECTED
    if not errors and answered.status == _FORBIDDEN and _required(answered.challenges):
        return Reason.SCOPE  # servers of the MCP SDK for Go name the scope alone
    return Reason.FORBIDDEN if answered.status == _FORBIDDEN else Reason.FINE


def _obstacle(policy: RetryPolicy, sent: Sent) -> Reason | None:
    if sent.attempt > 1:
        return Reason.REJECTED_AGAIN
    if policy.methods is not None and sent.method not in policy.methods:
        return Reason.METHOD
    return None if sent.replayable else Reason.BODY


def _required(challenges: Collection[Challenge]) -> str | None:
    for error in (Reason.SCOPE, None):
        for each in challenges:
            if each.parameter("error") == error and (scope := each.parameter("scope")):
                return scope
    return None


def _words(scopes: Iterable[str]) -> str:
    return " ".join(sorted(set(scopes)))


def token_rejected(
    *, origin: str, credential: str, status: int, challenges: Iterable[Challenge], reason: Reason, attempts: int
) -> TokenRejected:
    """The error for a rejection that no other token has helped against; holds no token and no header text. Pure."""
    challenge = _described(challenges)
    tried, advice = _tried(reason, attempts), _ADVICE
    if reason is Reason.SCOPE_AGAIN:
        advice = "The wider scope was not granted or is not enough: give the account that scope at the issuer."
    elif reason is Reason.SAME_TOKEN:
        advice = f"The source gives the same token again: make a new one there. {_ADVICE}"
    elif reason is Reason.CIRCUIT:
        advice = f"A new token was rejected a moment ago too, or there is no other one to get. {_ADVICE}"
    said = f" ({challenge})" if challenge else ""
    return TokenRejected(
        f"{origin} answered {status}{said} to the token of {credential}; tried: {', '.join(tried)}.\n  {advice}",
        status=status,
        challenge=challenge,
        tried=tried,
        advice=advice,
    )


def _tried(reason: Reason, attempts: int) -> tuple[str, ...]:
    if reason is Reason.SAME_TOKEN:
        return ("sent", "renewed")
    if attempts == 1:
        return ("sent",)
    return ("sent", "asked for a wider scope" if reason is Reason.SCOPE_AGAIN else "renewed", "sent again")


def _described(challenges: Iterable[Challenge]) -> str | None:
    """Scheme, error code and scope of the first few challenges, as far as they are plain words."""
    said = []
    for each in tuple(challenges)[:_MOST_CHALLENGES]:
        error, scope = each.parameter("error") or "", (each.parameter("scope") or "").split()
        parts = [each.scheme, error, *(["scope", *scope[:8]] if scope else [])]
        said.append(" ".join(part for part in parts if _WORD.fullmatch(part)))
    return ", ".join(said) or None
