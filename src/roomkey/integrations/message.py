"""What BearerAuth needs of a library's requests and responses; httpx2 and httpx both have it."""

from collections.abc import MutableMapping
from typing import Any, Protocol


class URL(Protocol):
    """An address; both libraries give lower-case, IDNA-encoded hosts."""

    @property
    def scheme(self) -> str:
        """In lower case, empty for a relative URL."""

    @property
    def raw_host(self) -> bytes:
        """In lower-case ASCII, IPv6 without brackets, empty for a relative URL."""

    @property
    def port(self) -> int | None:
        """None where it is the scheme's own."""


class Headers(Protocol):
    """A response's headers."""

    def get_list(self, key: str) -> list[str]:
        """Every value of one header."""


class Request(Protocol):
    """A request, as the auth flow is given it."""

    @property
    def method(self) -> str:
        """In upper case."""

    @property
    def url(self) -> Any:
        """A :class:`URL`."""

    @property
    def headers(self) -> MutableMapping[str, str]:
        """What is sent; names in any case."""

    @property
    def extensions(self) -> MutableMapping[str, Any]:
        """Where a request's wishes stand."""

    @property
    def stream(self) -> object:
        """The body."""

    def read(self) -> bytes:
        """Take the body into memory."""

    async def aread(self) -> bytes:
        """Take the body into memory."""


class Response(Protocol):
    """A response, as the auth flow is given it: its headers are there, its body may not be."""

    history: list[Any]
    """The answers before it."""

    @property
    def status_code(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Headers:
        """What came with it."""

    @property
    def extensions(self) -> MutableMapping[str, Any]:
        """Where the report stands."""

    @property
    def request(self) -> Any:
        """The :class:`Request` that it answers: after redirects, the last one."""

    def read(self) -> bytes:
        """Take the body into memory and give the connection back."""

    async def aread(self) -> bytes:
        """Take the body into memory and give the connection back."""
