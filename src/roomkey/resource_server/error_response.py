"""Error responses of an API: status, headers and a small body for every AccessError (RFC 6750, 9449, 9470; pure)."""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from roomkey.errors import (
    AccessDenied,
    AccessError,
    DPoPNonceRequired,
    InvalidToken,
    StepUpRequired,
    TokenMissing,
    ValidationUnavailable,
)

# RFC 6750 section 3: what a quoted value of the challenge may hold.
_FORBIDDEN: Final = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
_LONGEST: Final = 512
_LONGEST_WAIT: Final = 3600.0
_NOT_VALID: Final = "The access token is not valid."
_UNAVAILABLE: Final = "The access token cannot be validated now; try again later."


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorResponses:
    """The error responses of an API.

    Parameters:
        realm: the ``realm`` of its challenges, or None.
        resource_metadata: URL of its metadata (RFC 9728 section 5.1), or None.
        debug: True tells clients why a token is not valid and which service is down; False gives one sentence for a
            wrong signature, an unknown key and an expired token, so that attackers learn nothing.
    """

    realm: str | None = None
    resource_metadata: str | None = None
    debug: bool = False

    def __post_init__(self) -> None:
        """Check; raises ValueError for what cannot stand in a header."""
        for name in ("realm", "resource_metadata"):
            value = getattr(self, name)
            if value is not None and (not value or len(value) > _LONGEST or _FORBIDDEN.search(value)):
                raise ValueError(f"{name}= must be printable ASCII without quotes or backslashes, at most {_LONGEST}")

    def answer(self, error: AccessError) -> "PreparedResponse":
        """Return the whole response for ``error``; it holds nothing of the token or the request."""
        sentence = self._sentence(error)
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        if isinstance(error, ValidationUnavailable):
            headers.append(("Retry-After", str(_whole_seconds(error.retry_after))))
        else:
            headers.append(("WWW-Authenticate", self._challenges(error, sentence)))
        if isinstance(error, DPoPNonceRequired):
            headers.append(("DPoP-Nonce", error.nonce))
        body = json.dumps({"error": error.code, "error_description": sentence}).encode()
        return PreparedResponse(error.status, tuple(headers), body)

    def _challenges(self, error: AccessError, sentence: str) -> str:
        """Return the challenge of the scheme that was used; where that was not DPoP, DPoP is offered beside it."""
        parameters, algorithms = self._parameters(error, sentence), ("algs", " ".join(error.dpop_algorithms) or None)
        if error.scheme == "DPoP":
            return _challenge("DPoP", [*parameters, algorithms])
        bearer = _challenge("Bearer", parameters)
        if not error.dpop_algorithms:
            return bearer
        scope = ("scope", error.scope if isinstance(error, TokenMissing) else None)
        return f"{bearer}, {_challenge('DPoP', [('realm', self.realm), algorithms, scope, parameters[-1]])}"

    def _parameters(self, error: AccessError, sentence: str) -> list[tuple[str, str | None]]:
        parameters: list[tuple[str, str | None]] = [("realm", self.realm)]
        if not isinstance(error, TokenMissing):
            parameters += [("error", error.code), ("error_description", sentence)]
        if isinstance(error, AccessDenied | TokenMissing):
            parameters.append(("scope", error.scope))
        if isinstance(error, StepUpRequired):
            age = None if error.max_age is None else str(math.floor(error.max_age))
            parameters += [("acr_values", error.acr_values), ("max_age", age)]
        return [*parameters, ("resource_metadata", self.resource_metadata)]

    def _sentence(self, error: AccessError) -> str:
        if not self.debug and isinstance(error, InvalidToken):
            return _NOT_VALID
        if not self.debug and isinstance(error, ValidationUnavailable):
            return _UNAVAILABLE
        return str(error)


@dataclass(frozen=True, slots=True)
class PreparedResponse:
    """An HTTP response: the status, (name, value) pairs of headers, and a body of JSON."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def _challenge(scheme: str, parameters: Iterable[tuple[str, str | None]]) -> str:
    quoted = ", ".join(f'{name}="{_quotable(value)}"' for name, value in parameters if value is not None)
    return f"{scheme} {quoted}".rstrip()


def _whole_seconds(seconds: float) -> int:
    return math.ceil(min(max(seconds, 1.0), _LONGEST_WAIT)) if math.isfinite(seconds) else int(_LONGEST_WAIT)


def _quotable(value: str) -> str:
    return _FORBIDDEN.sub("_", value[:_LONGEST])
