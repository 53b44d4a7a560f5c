"""Failed token requests: in words, and when the endpoint is asked again (pure)."""

from dataclasses import dataclass, replace
from typing import Final

from roomkey.concurrency.backoff import FIRST_STEP, LONGEST_STEP, backoff
from roomkey.errors import LoginRequired, TokenUnavailable

PROBE_WHILE_USABLE: Final = 0.25
LONGEST_RETRY_AFTER: Final = 3600.0
_ROUNDING: Final = 0.001

_ADVICE: Final = {
    "invalid_client": "The client's credentials were rejected; {secrets}. Check them and {checks}.",
    "unauthorized_client": "This client may not use this grant, or its credentials are wrong ({secrets}): check both.",
    "invalid_scope": "The auth service does not grant this scope; correct scope= or allow it for the client.",
    "invalid_target": "The auth service does not know this audience or resource; correct audience= or resource=.",
    "unsupported_grant_type": "The auth service does not offer this grant; use another source.",
    "invalid_request": "The auth service does not understand it; compare the source's parameters with its manual.",
    "invalid_grant": "The sign-in was rejected; {secrets}.",
    "unauthorized": "The client's credentials are wrong ({secrets}; check {checks} too), or a gateway rejects them.",
    "forbidden": "Something in front of it may reject this machine; look at gateways, firewalls and allow-lists.",
    "access_denied": "The auth service denies this; ask its administrator.",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt, in words that hold no secret.

    Attributes:
        reason: a stable word: the OAuth error code, ``unreachable``, ``timeout`` and the like.
        message: the sentence for users.
        until: wall-clock second until which nobody tries again.
        pause: seconds from the failure to that moment.
        count: how many attempts failed in a row.
        permanent: True where the auth service rejected the request itself, so that a secret, a setting or the auth
            service has to change; it is asked again all the same.
        login_required: True where only a user can go on.
    """

    reason: str
    message: str
    until: float = 0.0
    pause: float = 0.0
    count: int = 1
    permanent: bool = False
    login_required: bool = False

    def after(
        self, earlier: "Failure | None", *, wall: float, retry_after: float | None, usable_for: float, jitter: float
    ) -> "Failure":
        """This failure at ``wall``, counted on from ``earlier``, with the moment of the next attempt: see ``step``.

        With ``retry_after`` it is a passing one: what the server asks for holds for a restarted program too.
        """
        count = 1 if earlier is None else min(earlier.count + 1, 1000)
        pause = step(
            count=count, retry_after=retry_after, permanent=self.permanent, usable_for=usable_for, jitter=jitter
        )
        permanent = self.permanent and retry_after is None
        return replace(self, count=count, pause=pause, until=wall + pause, permanent=permanent)

    def pausing(self, seconds: float, wall: float) -> "Failure":
        """This failure, with the next attempt ``seconds`` after ``wall``."""
        return replace(self, pause=seconds, until=wall + seconds)

    def left(self, wall: float) -> float:
        """Seconds until the next attempt; 0 where the clock was set back since, or is another one."""
        left = self.until - wall
        return max(0.0, left) if left <= self.pause + _ROUNDING else 0.0

    def error(self, label: str, wall: float) -> TokenUnavailable:
        """A new exception: each waiter raises its own, so that no traceback is shared."""
        kind = LoginRequired if self.login_required else TokenUnavailable
        message = f"No token for {label}: {self.message}"
        if self.permanent and self.pause < LONGEST_STEP:  # a setting or file of this machine: it is read for each call
            return kind(message, reason=self.reason)
        wait = self.left(wall)
        return kind(f"{message} Next attempt in {wait:.0f} s.", reason=self.reason, retry_after=wait)


def step(*, count: int, retry_after: float | None, permanent: bool, usable_for: float, jitter: float) -> float:
    """Seconds to wait after the ``count``-th failure in a row.

    Doubles from one second to one minute and is spread by ``jitter`` (0 to 1); a ``permanent`` one begins with the
    minute. ``retry_after`` of the server is honoured up to an hour. While a token can still be used for ``usable_for``
    seconds the steps become shorter towards its expiry, so that the next one is there in time.
    """
    if retry_after is not None:
        return min(max(retry_after, FIRST_STEP), LONGEST_RETRY_AFTER)
    if permanent:
        return LONGEST_STEP
    grown = backoff(count, jitter)
    return min(grown, max(PROBE_WHILE_USABLE, usable_for / 4.0)) if usable_for > 0.0 else grown


def rejection_message(
    *, asked: str, status: int | None, error: str, detail: str, secrets: str, description: str = ""
) -> str:
    """Sentences for a response that is no token.

    ``asked`` names the address, ``secrets`` says where the credentials came from, ``description`` is the server's own.
    """
    heard = f"answered {status} {error}" if status else f"gave no usable answer ({error})"
    checks = "authentication= and audience= of PrivateKeyJWT" if "private_key" in secrets else "authentication="
    advice = _ADVICE.get(error, detail).format(secrets=secrets, checks=checks) if error in _ADVICE else detail
    said = f' The server says: "{description}".' if description else ""
    return f"{asked} {heard}. {advice}".rstrip() + said
