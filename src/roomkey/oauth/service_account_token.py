"""App tokens: made in a backoffice, given to the app, used as they are until they expire."""

import os
from dataclasses import dataclass
from typing import ClassVar, Self

from roomkey.errors import ConfigurationError, LoginRequired
from roomkey.jose.compact import read_unverified
from roomkey.oauth.source import Parameters, Revealed
from roomkey.oauth.token_response import TokenEndpointError, TokenResponse, checked_token
from roomkey.secret import Secret


@dataclass(frozen=True, slots=True)
class ServiceAccountToken:
    """An app token as a setting: a value, or better a file or an environment variable that may be rotated.

    Parameters:
        token: the token, as a string or ``Secret``; a file is looked at again every few seconds while it is used.
        warn_before: seconds before a JWT expires from which a warning is logged.
    """

    token: Secret
    warn_before: float = 7 * 86_400.0

    kind: ClassVar[str] = "service_account_token"

    def __init__(self, token: Secret | str, *, warn_before: float = 7 * 86_400.0) -> None:
        if not warn_before >= 0.0:
            raise ConfigurationError("warn_before= is a number of seconds, 0 or more.")
        object.__setattr__(self, "token", Secret.of(token))
        object.__setattr__(self, "warn_before", warn_before)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, warn_before: float = 7 * 86_400.0) -> Self:
        """The app token in the file ``path``; the file is read again when it changes."""
        return cls(Secret.from_file(path), warn_before=warn_before)

    @classmethod
    def from_env(cls, name: str, *, warn_before: float = 7 * 86_400.0) -> Self:
        """The app token in the environment variable ``name``."""
        return cls(Secret.from_env(name), warn_before=warn_before)

    @property
    def description(self) -> str:
        """Kind and place in words."""
        return f"app token from {self.token.origin}"

    def parameters(self) -> Parameters:
        """Nothing but the token itself shapes it."""
        return ()

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The token."""
        return (("token", self.token),)

    def read(self, revealed: Revealed, *, wall: float) -> TokenResponse:
        """The token as an answer; its lifetime is ``exp`` less ``wall`` (second since 1970), endless for an opaque one.

        Raises LoginRequired when it has expired, ConfigurationError where it cannot be a token.
        """
        try:
            value = checked_token(revealed.values["token"].strip(), status=None)
        except TokenEndpointError:
            value = ""
        if not value:
            raise ConfigurationError(
                f"What {self.token.origin} holds is no token: it must be printable ASCII without spaces, up to 16 KiB."
            )
        expires = _expiry(value)
        if expires is None:
            return TokenResponse(value)
        left = expires - wall
        if left <= 0.0:
            raise LoginRequired(
                f"The app token from {self.token.origin} has expired; make a new one in the backoffice, put it there.",
                reason="expired",
            )
        warnings: tuple[str, ...] = ()
        if left <= self.warn_before:
            warnings = (f"it expires in {_span(left)}; make a new one in the backoffice and put it there",)
        return TokenResponse(value, lifetime=left, lifetime_from="jwt", warnings=warnings)


def _expiry(token: str) -> float | None:
    jwt = read_unverified(token)
    value = None if jwt is None else jwt.claims.get("exp")
    return (
        float(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12 else None
    )


def _span(seconds: float) -> str:
    for unit, length in (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
