"""The test servers in another process, and a handle on them: for benchmarks and for tests with several processes."""

import http.client
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, Self

from roomkey.secret import Confidential
from roomkey.testing.child import ServingChild
from roomkey.testing.serve import Counts, Settings

_PATIENCE: Final = 10.0


class ServerProcess(Confidential):
    """An issuer and an API in a process of their own; a context manager, whose repr shows the URLs only.

    ``settings`` say how they behave at first. Starting blocks until both serve (about 0.3 s). The methods are orders
    over HTTP and raise RuntimeError where one is refused. Safe in any thread.

    Attributes:
        issuer_url: what ``issuer=`` of a source is given.
        token_endpoint: the absolute URL of the token endpoint.
        api_url: the URL of the protected API, without a slash at the end.
        client_id, client_secret: a registered client.
        username, password: a registered user.
    """

    __slots__ = (
        "_child",
        "_control",
        "_settings",
        "api_url",
        "client_id",
        "client_secret",
        "issuer_url",
        "password",
        "token_endpoint",
        "username",
    )

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._child: ServingChild | None = None

    def start(self) -> Self:
        """Start the process and wait for its first line; raises RuntimeError where it does not come up."""
        command = [sys.executable, "-m", "roomkey.testing.serve"]
        for name, value in asdict(self._settings).items():
            option = f"--{name.replace('_', '-')}"
            command += ([option] if value else []) if isinstance(value, bool) else [f"{option}={value}"]
        self._child = ServingChild(command)
        self._read(self._child.started)
        return self

    def _read(self, started: Mapping[str, str]) -> None:
        self.issuer_url = started["issuer"]
        self.token_endpoint = started["token_endpoint"]
        self.api_url = started["api"]
        self.client_id = started["client_id"]
        self.client_secret = started["client_secret"]
        self.username = started["username"]
        self.password = started["password"]
        self._control = started["control"].removeprefix("http://")

    def stop(self) -> int | None:
        """End the process and return its exit code: 0, or 1 where a server failed by itself; None if none runs."""
        child, self._child = self._child, None
        return None if child is None else child.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def counts(self) -> Counts:
        """What the two servers have seen so far."""
        return Counts(**self._order("GET", "counts", {}))

    def outage(self, status: int = 503, retry_after: float | None = None) -> None:
        """Let the token endpoint answer ``status`` until :meth:`recover`; ``retry_after`` is in seconds."""
        self._order("POST", "outage", {"status": status, "retry_after": retry_after})

    def unreachable(self) -> None:
        """Let the issuer refuse connections until :meth:`recover`."""
        self._order("POST", "unreachable", {})

    def hang(self, *, times: int = 1, processed: bool = False) -> None:
        """Leave the next ``times`` token requests without an answer; ``processed``: they have their effect."""
        self._order("POST", "hang", {"times": times, "processed": processed})

    def drop(self, *, times: int = 1, processed: bool = False) -> None:
        """Close the connection on the next ``times`` token requests; ``processed``: they have their effect."""
        self._order("POST", "drop", {"times": times, "processed": processed})

    def recover(self) -> None:
        """End every fault."""
        self._order("POST", "recover", {})

    def revoke_all(self) -> None:
        """Revoke every access token."""
        self._order("POST", "revoke_all", {})

    def change(self, **settings: float | bool) -> None:
        """Change members of :class:`Settings`, or ``reject_all`` of the API, from now on."""
        self._order("POST", "settings", settings)

    def forget(self) -> None:
        """Empty the records, so that :meth:`counts` begins at zero."""
        self._order("POST", "forget", {})

    def _order(self, method: str, order: str, arguments: dict[str, Any]) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._control, timeout=_PATIENCE)
        try:
            connection.request(method, f"/{order}", json.dumps(arguments) if arguments else None)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"the server process refused the order {order!r} with status {answer.status}")
        members: dict[str, Any] = json.loads(body)
        return members

    def __repr__(self) -> str:
        return "ServerProcess(not running)" if self._child is None else f"ServerProcess({self.issuer_url})"
