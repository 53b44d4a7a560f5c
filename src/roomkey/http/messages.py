"""The two messages of HTTP, as values that keep their contents to themselves: what is sent and what comes back."""

from roomkey.secret import Confidential


class Request(Confidential):
    """One HTTP request; its repr shows method and URL only.

    ``headers`` are (name, value) pairs; ``body`` is bytes, empty for a request without one.
    """

    __slots__ = ("body", "headers", "method", "url")

    def __init__(self, method: str, url: str, headers: tuple[tuple[str, str], ...] = (), body: bytes = b"") -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url})"


class Response(Confidential):
    """One HTTP answer; its repr shows the status only.

    ``headers`` are (name, value) pairs in the order of arrival; ``body`` is the decoded body, already capped in size.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: tuple[tuple[str, str], ...] = (), body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name: str) -> str | None:
        """The first value of the header ``name``, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def __repr__(self) -> str:
        return f"Response({self.status})"
