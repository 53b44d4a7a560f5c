"""The errors that roomkey raises: one family, each with a stable ``code`` and a sentence that says what to do.

No error carries a token, a secret, or a body or header of an answer.
"""

from typing import Any, ClassVar, Final

_MOST_PLACES: Final = 8


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


def without_traceback(error: RoomkeyError) -> RoomkeyError:
    """Return ``error`` without cause, context and the frames that it came through: their variables may hold a token."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def place_of(error: BaseException) -> str:
    """Where ``error`` was raised, as ``file:line`` from the outside in; its words and its frames may hold a secret."""
    places, trace = [], error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join(places[-_MOST_PLACES:])


class ConfigurationError(RoomkeyError):
    """A setting is missing, contradicts another one or cannot be used."""

    code = "configuration"


class SecretUnavailable(ConfigurationError):
    """A secret cannot be read: its environment variable is not set, its file is missing or empty."""

    code = "secret_unavailable"


class KeyringError(ConfigurationError):
    """The keys that encrypt stored tokens cannot be read or have the wrong form."""

    code = "keyring"


class StoreUnavailable(RoomkeyError):
    """The store cannot be used right now: a full disk, a lost connection, a file that must not be trusted."""

    code = "store_unavailable"


class TokenUnavailable(RoomkeyError):
    """There is no usable token, and none is available now.

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
    """The sign-in has expired or was revoked, and only a user (or a new app token) can start it again."""

    code = "login_required"


class TokenRejected(RoomkeyError):
    """The API rejected the token, and a new one too.

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


class AccessError(RoomkeyError):
    """The reason why an API does not serve a request; its sentence may be shown to the caller.

    Attributes:
        status: the HTTP status of the answer.
        reason: a stable word, finer than ``code``.
        scheme: the authentication scheme whose challenge the answer has: ``Bearer`` or ``DPoP``.
        dpop_algorithms: what a DPoP proof may be signed with, for the challenge; empty where none is accepted.
    """

    code = "access_error"
    status: ClassVar[int] = 401

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.scheme = "Bearer"
        self.dpop_algorithms: tuple[str, ...] = ()


class InvalidRequest(AccessError):
    """The request carries its token in a way that is not allowed, or carries two (RFC 6750 section 3.1)."""

    code = "invalid_request"
    status = 400


class TokenMissing(AccessError):
    """The request carries no token; the answer's challenge has no error code (RFC 6750 section 3).

    Attributes:
        scope: the scopes that the route requires, space-separated, or None; the challenge names them.
    """

    code = "token_missing"

    def __init__(self, message: str, *, reason: str, scope: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.scope = scope


class InvalidToken(AccessError):
    """A token that is not valid for this API.

    Attributes:
        reason: a stable word, such as ``expired`` or ``bad_signature``; ``roomkey.jose.reasons`` lists them.
        claim: the name of the claim at fault, or None.
    """

    code = "invalid_token"

    def __init__(self, message: str, *, reason: str, claim: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.claim = claim


class InvalidDPoPProof(AccessError):
    """The proof that a request brings for its token is not valid (RFC 9449 section 7.1).

    Attributes:
        reason: a stable word, such as ``replayed``; ``roomkey.resource_server.dpop_proof`` lists them.
    """

    code = "invalid_dpop_proof"


class DPoPNonceRequired(AccessError):
    """A proof is to be made again, with the API's nonce in it (RFC 9449 section 9).

    Attributes:
        nonce: the one to use.
    """

    code = "use_dpop_nonce"

    def __init__(self, message: str, *, reason: str, nonce: str) -> None:
        super().__init__(message, reason=reason)
        self.nonce = nonce


class StepUpRequired(AccessError):
    """The token is valid, but its user must sign in again, or in a stronger way (RFC 9470).

    Attributes:
        acr_values: the authentication context classes that are accepted, space-separated, or None.
        max_age: seconds that may have passed since the user signed in, or None.
    """

    code = "insufficient_user_authentication"

    def __init__(
        self, message: str, *, reason: str, acr_values: str | None = None, max_age: float | None = None
    ) -> None:
        super().__init__(message, reason=reason)
        self.acr_values = acr_values
        self.max_age = max_age


class AccessDenied(AccessError):
    """The token is valid, but does not allow this; its code is ``insufficient_scope`` where a scope is missing.

    Attributes:
        scope: the scopes that are needed, space-separated, or None where scopes are not what is missing.
        claim: the name of the claim at fault, or None.
    """

    code = "access_denied"
    status = 403

    def __init__(self, message: str, *, reason: str, scope: str | None = None, claim: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.scope = scope
        self.claim = claim
        if scope is not None:
            self.code = "insufficient_scope"  # type: ignore[misc] # RFC 6750 section 3.1 has it for scopes alone


class ValidationUnavailable(AccessError):
    """The token cannot be validated now: an outage, not an invalid token.

    Attributes:
        reason: a stable word, such as ``unreachable``, ``timeout`` or ``no_usable_keys``.
        retry_after: seconds until the next attempt.
    """

    code = "validation_unavailable"
    status = 503

    def __init__(self, message: str, *, reason: str, retry_after: float) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = retry_after


class KeysUnavailable(ValidationUnavailable):
    """An issuer's keys are not available now."""

    code = "keys_unavailable"


class IntrospectionUnavailable(ValidationUnavailable):
    """The auth service cannot be asked about the token now."""

    code = "introspection_unavailable"


class ReplayUnknown(ValidationUnavailable):
    """The store of used DPoP proofs is full or unavailable, so that a replay cannot be ruled out."""

    code = "replay_unknown"


class RevocationUnknown(ValidationUnavailable):
    """The revocation lists are too old to be trusted, and the API has chosen to reject requests then."""

    code = "revocation_unknown"
