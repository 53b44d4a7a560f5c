"""The sentence for a person whose API refuses every token: what was tried, and what to look at."""

import re
from collections.abc import Iterable
from typing import Final

from roomkey.client.api_retry import Reason
from roomkey.errors import TokenRejected
from roomkey.oauth.challenge import Challenge

_WORD: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_MOST_CHALLENGES: Final = 3

_ADVICE: Final = (
    "Look at the token's audience (aud), issuer (iss) and scope with `roomkey inspect` and compare them with what the "
    "API expects; compare the clocks of this machine and the API; see whether the account was disabled."
)


def token_rejected(
    *, origin: str, credential: str, status: int, challenges: Iterable[Challenge], reason: Reason, attempts: int
) -> TokenRejected:
    """The error for a refusal that no other token has helped against; holds no token and no header text. Pure."""
    challenge = _words(challenges)
    tried, advice = _tried(reason, attempts), _ADVICE
    if reason is Reason.SCOPE_AGAIN:
        advice = "The wider scope was not granted or is not enough: give the account that scope at the issuer."
    elif reason is Reason.SAME_TOKEN:
        advice = f"The source gives the same token again: make a new one there. {_ADVICE}"
    elif reason is Reason.CIRCUIT:
        advice = f"A new token was refused a moment ago too, or there is no other one to get. {_ADVICE}"
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


def _words(challenges: Iterable[Challenge]) -> str | None:
    """Scheme, error code and scope of the first few challenges, as far as they are plain words."""
    said = []
    for each in tuple(challenges)[:_MOST_CHALLENGES]:
        error, scope = each.parameter("error") or "", (each.parameter("scope") or "").split()
        parts = [each.scheme, error, *(["scope", *scope[:8]] if scope else [])]
        said.append(" ".join(part for part in parts if _WORD.fullmatch(part)))
    return ", ".join(said) or None
