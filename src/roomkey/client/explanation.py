"""Failures in words: what happened, where, and what to do (pure)."""

from typing import Final

from roomkey.client.failure import Failure
from roomkey.errors import LoginRequired, TokenUnavailable

_ADVICE: Final = {
    "invalid_client": "The client's credentials were refused; {secrets}. Nothing is tried again until they change.",
    "unauthorized_client": "This client may not use this grant; allow it at the auth service.",
    "invalid_scope": "The auth service does not grant this scope; correct scope= or allow it for the client.",
    "invalid_target": "The auth service does not know this audience or resource; correct audience= or resource=.",
    "unsupported_grant_type": "The auth service does not offer this grant; use another source.",
    "invalid_request": "The auth service does not understand it; compare the source's parameters with its manual.",
    "invalid_grant": "The sign-in was refused; {secrets}. Nothing is tried again until that changes.",
    "forbidden": "Something in front of it may refuse this machine; look at gateways, firewalls and allow-lists.",
    "access_denied": "The auth service denies this; ask its administrator.",
}


def refused(*, url: str, status: int | None, error: str, detail: str, secrets: str) -> str:
    """A sentence for an answer that is no token; ``secrets`` says where the credentials came from."""
    heard = f"answered {status} {error}" if status else f"gave no usable answer ({error})"
    advice = _ADVICE.get(error, detail).format(secrets=secrets)
    return f"the token endpoint {url} {heard}. {advice}".rstrip()


def unreached(*, url: str, detail: str) -> str:
    """A sentence for an endpoint from which nothing came back."""
    return f"the token endpoint {url} did not answer: {detail}."


def error_of(failure: Failure, *, label: str, wall: float) -> TokenUnavailable:
    """A new exception for ``failure``: each waiter raises its own, so that no traceback is shared."""
    kind = LoginRequired if failure.login_required else TokenUnavailable
    message = f"No token for {label}: {failure.message}"
    if failure.permanent:
        return kind(message, reason=failure.reason)
    wait = failure.left(wall)
    return kind(f"{message} Next attempt in {wait:.0f} s.", reason=failure.reason, retry_after=wait)
