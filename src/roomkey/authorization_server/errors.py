"""Errors of the auth service: each with a stable code, an HTTP status and a sentence to show."""

from typing import ClassVar, Final

from roomkey.errors import RoomkeyError

_MAX_LENGTH: Final = 500


class ServiceError(RoomkeyError):
    """An expected error of the auth service.

    Its message may repeat user input: it is one line of at most 500 printable characters.

    Attributes:
        status: the HTTP status.
    """

    code = "service_error"
    status: ClassVar[int] = 400

    def __init__(self, message: str) -> None:
        shown = message if len(message) <= _MAX_LENGTH else f"{message[:_MAX_LENGTH]}…"
        super().__init__("".join(character if character.isprintable() else "\ufffd" for character in shown))


class DatabaseUnavailable(ServiceError):
    """The database cannot be used right now: a full disk, a lost connection, a lock that is not released."""

    code = "database_unavailable"
    status = 503


class DatabaseUnsuitable(ServiceError):
    """The database belongs to a newer version, or its columns were encrypted with other keys."""

    code = "database_unsuitable"
    status = 503


class NotFound(ServiceError):
    """The object does not exist, or it belongs to another tenant, which the caller cannot tell apart."""

    code = "not_found"
    status = 404


class Conflict(ServiceError):
    """The name is taken, or the state of the object does not allow the change."""

    code = "conflict"
    status = 409


class NotAllowed(ServiceError):
    """The actor lacks the permission."""

    code = "not_allowed"
    status = 403


class Invalid(ServiceError):
    """A value is invalid.

    Attributes:
        field: the name of the invalid field, or None.
    """

    code = "invalid"
    status = 422

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field
