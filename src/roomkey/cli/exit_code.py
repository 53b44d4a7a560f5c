"""The exit codes of the command line and their meanings."""

from enum import IntEnum

from roomkey.authorization_server.errors import DatabaseUnavailable, DatabaseUnsuitable, Invalid, ServiceError
from roomkey.errors import (
    ConfigurationError,
    OriginNotAllowed,
    RoomkeyError,
    StoreUnavailable,
    TokenRejected,
    TokenUnavailable,
)


class ExitCode(IntEnum):
    """The result of a command; scripts may rely on these numbers."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_TOKEN = 3
    REJECTED = 4
    STORE = 5
    API_ERROR = 6
    UNREACHABLE = 7
    REFUSED = 8
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """A few words for ``--help``."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "the output or roomkey itself failed",
    ExitCode.USAGE: "wrong arguments or configuration",
    ExitCode.NO_TOKEN: "no token is available now",
    ExitCode.REJECTED: "the API rejected the token (401, 403)",
    ExitCode.STORE: "the store, or the service's database, is unavailable",
    ExitCode.API_ERROR: "the API answered with another error (4xx, 5xx)",
    ExitCode.UNREACHABLE: "the API did not answer",
    ExitCode.REFUSED: "the auth service rejected the act: there is no such object, or it exists already",
    ExitCode.INTERRUPTED: "interrupted",
}

_BY_ERROR: tuple[tuple[type[RoomkeyError], ExitCode], ...] = (
    (ConfigurationError, ExitCode.USAGE),
    (OriginNotAllowed, ExitCode.USAGE),
    (TokenUnavailable, ExitCode.NO_TOKEN),
    (TokenRejected, ExitCode.REJECTED),
    (StoreUnavailable, ExitCode.STORE),
    (DatabaseUnavailable, ExitCode.STORE),
    (DatabaseUnsuitable, ExitCode.STORE),
    (Invalid, ExitCode.USAGE),
    (ServiceError, ExitCode.REFUSED),
)


def exit_code_of(error: RoomkeyError) -> ExitCode:
    """The exit code for ``error``. Pure."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), ExitCode.FAILED)


def exit_code_of_response(status: int) -> ExitCode:
    """The exit code for an API's response with this HTTP status. Pure."""
    if status in (401, 403):
        return ExitCode.REJECTED
    return ExitCode.API_ERROR if status >= 400 else ExitCode.OK
