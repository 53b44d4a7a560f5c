"""Every error that roomkey raises: one family, each with a stable ``code`` and a sentence that says what to do.

No error carries a token, a secret, or a body or header of an answer.
"""

from typing import Any, ClassVar


class RoomkeyError(Exception):
    """The family: catch this to catch whatever roomkey raises on purpose."""

    code: ClassVar[str] = "roomkey_error"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args, dict(self.__dict__)))


def _rebuild(kind: type[RoomkeyError], args: tuple[Any, ...], state: dict[str, Any]) -> RoomkeyError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(RoomkeyError):
    """A setting is missing, contradicts another one or cannot be used."""

    code = "configuration"


class SecretUnavailable(ConfigurationError):
    """A secret cannot be read: its environment variable is not set, its file is missing or empty."""

    code = "secret_unavailable"


class KeyringError(ConfigurationError):
    """The keys that seal stored tokens cannot be read or have the wrong form."""

    code = "keyring"


class StoreUnavailable(RoomkeyError):
    """The store cannot be used right now: a full disk, a lost connection, a file that must not be trusted."""

    code = "store_unavailable"


class TokenUnavailable(RoomkeyError):
    """There is no usable token and none can be had now.

    Attributes:
        retry_after: seconds until another attempt makes sense; None where waiting alone will not help.
        reason: the OAuth error code or a short stable word, such as ``invalid_client`` or ``unreachable``.
    """

    code = "token_unavailable"

    def __init__(self, message: str, *, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


class LoginRequired(TokenUnavailable):
    """The sign-in has ended and only a person (or a new app token) can start it again."""

    code = "login_required"


class TokenRejected(RoomkeyError):
    """The API refused the token, and a new one too.

    Attributes:
        status: the HTTP status of the last answer.
        challenge: the names and error codes of its ``WWW-Authenticate`` challenges, or None.
        tried: what was done, in order, such as ``("sent", "renewed", "sent again")``.
        advice: what to look at next.
    """

    code = "token_rejected"

    def __init__(
        self, message: str, *, status: int, challenge: str | None = None, tried: tuple[str, ...] = (), advice: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.challenge = challenge
        self.tried = tried
        self.advice = advice


class OriginNotAllowed(RoomkeyError):
    """A request went to a host that must not see the token; nothing was sent."""

    code = "origin_not_allowed"


class InvalidToken(RoomkeyError):
    """A token that is not good for this API; its sentence may be shown to whoever sent it.

    Attributes:
        reason: a stable word, such as ``expired`` or ``bad_signature``; ``roomkey.jose.refusal`` lists them.
        claim: the name of the claim at fault, or None.
    """

    code = "invalid_token"

    def __init__(self, message: str, *, reason: str, claim: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.claim = claim


class KeysUnavailable(RoomkeyError):
    """An issuer's keys cannot be had now, so nobody can say whether a token of it is good: an outage, not a bad token.

    Attributes:
        reason: a stable word, such as ``unreachable``, ``timeout`` or ``no_usable_keys``.
        retry_after: seconds until the next attempt.
    """

    code = "keys_unavailable"

    def __init__(self, message: str, *, reason: str, retry_after: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after
