"""What the auth service refuses, as errors of the one family: each with a stable code and a sentence to show."""

from typing import ClassVar, Final

from roomkey.errors import RoomkeyError

_LONGEST: Final = 500


class ServiceError(RoomkeyError):
    """What the auth service raises on purpose.

    What somebody typed may stand in its sentence: it is one line of at most 500 characters, all of which can be shown.

    Attributes:
        status: the HTTP status that says the same.
    """

    code = "service_error"
    status: ClassVar[int] = 400

    def __init__(self, message: str) -> None:
        shown = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"
        super().__init__("".join(letter if letter.isprintable() else "\ufffd" for letter in shown))


class DatabaseUnavailable(ServiceError):
    """The database cannot be used right now: a full disk, a lost connection, a lock that nobody gives back."""

    code = "database_unavailable"
    status = 503


class DatabaseUnsuitable(ServiceError):
    """The database is not this version's: it is newer, or its secrets were sealed with other keys."""

    code = "database_unsuitable"
    status = 503


class NotFound(ServiceError):
    """There is no such thing, or it belongs to another tenant, which is the same to whoever asks."""

    code = "not_found"
    status = 404


class Conflict(ServiceError):
    """The name is taken, or what is asked for was done or undone in the meantime."""

    code = "conflict"
    status = 409


class NotAllowed(ServiceError):
    """Whoever asks may not do this."""

    code = "not_allowed"
    status = 403


class Invalid(ServiceError):
    """A value that cannot be taken.

    Attributes:
        field: the name of the parameter at fault, or None.
    """

    code = "invalid"
    status = 422

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
