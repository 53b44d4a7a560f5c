"""Concurrency limit per caller, so that one client's flood does not slow another."""

from typing import Final

from roomkey.authorization_server.web.oauth_error import too_many_requests

_MAX_REQUESTS: Final = 64


class ConcurrencyLimit:
    """Counts the requests of each caller that are in flight. For one event loop."""

    def __init__(self, max_requests: int = _MAX_REQUESTS) -> None:
        self._max_requests = max_requests
        self._in_flight: dict[str, int] = {}

    def slot(self, caller: str) -> "_Slot":
        """``with limit.slot(caller):`` hold a slot while the request is served.

        Raises OAuthError (429) where ``caller`` has too many requests in flight.
        """
        return _Slot(self._in_flight, self._max_requests, caller)


class _Slot:
    __slots__ = ("_caller", "_in_flight", "_max_requests")

    def __init__(self, in_flight: dict[str, int], max_requests: int, caller: str) -> None:
        self._in_flight = in_flight
        self._max_requests = max_requests
        self._caller = caller

    def __enter__(self) -> None:
        count = self._in_flight.get(self._caller, 0)
        if count >= self._max_requests:
            raise too_many_requests(1)
        self._in_flight[self._caller] = count + 1

    def __exit__(self, *_: object) -> None:
        count = self._in_flight[self._caller] - 1
        if count:
            self._in_flight[self._caller] = count
        else:
            del self._in_flight[self._caller]
