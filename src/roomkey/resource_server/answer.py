"""How an API says no: status, headers and a small body for every AccessError (RFC 6750 section 3, RFC 9470; pure)."""

import json
import math
import re
from dataclasses import dataclass
from typing import Final

from roomkey.errors import AccessDenied, AccessError, StepUpRequired, TokenMissing, ValidationUnavailable

# RFC 6750 section 3: what a quoted value of the challenge may hold.
_FORBIDDEN: Final = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
_LONGEST: Final = 512
_SAME_FOR_ALL: Final = "The access token is not valid."


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """How an API names itself when it says no.

    Parameters:
        realm: the ``realm`` of its challenges, or None.
        resource_metadata: URL of its metadata (RFC 9728 section 5.1), or None.
        debug: True tells callers why a token is not valid; False gives one sentence for a wrong signature, an unknown
            key and an expired token, so that forgers learn nothing. Logs have the reason in either case.
    """

    realm: str | None = None
    resource_metadata: str | None = None
    debug: bool = False

    def answer(self, error: AccessError) -> "Answer":
        """The whole answer for ``error``."""
        sentence = self._sentence(error)
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        if isinstance(error, ValidationUnavailable):
            headers.append(("Retry-After", str(max(1, math.ceil(min(error.retry_after, 3600.0))))))
        else:
            headers.append(("WWW-Authenticate", self._challenge(error, sentence)))
        body = json.dumps({"error": error.code, "error_description": sentence}).encode()
        return Answer(error.status, tuple(headers), body)

    def _challenge(self, error: AccessError, sentence: str) -> str:
        parameters: list[tuple[str, str | None]] = [("realm", self.realm)]
        if not isinstance(error, TokenMissing):
            parameters += [("error", error.code), ("error_description", sentence)]
        if isinstance(error, AccessDenied):
            parameters.append(("scope", error.scope))
        if isinstance(error, StepUpRequired):
            age = None if error.max_age is None else f"{error.max_age:.0f}"
            parameters += [("acr_values", error.acr_values), ("max_age", age)]
        parameters.append(("resource_metadata", self.resource_metadata))
        said = ", ".join(f'{name}="{_quotable(value)}"' for name, value in parameters if value is not None)
        return f"Bearer {said}".rstrip()

    def _sentence(self, error: AccessError) -> str:
        return str(error) if self.debug or error.code != "invalid_token" else _SAME_FOR_ALL


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: the HTTP status, (name, value) pairs of headers, and a body of JSON."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def _quotable(text: str) -> str:
    return _FORBIDDEN.sub("_", text[:_LONGEST])
