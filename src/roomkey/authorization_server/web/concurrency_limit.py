"""How many requests of one caller are served at once, so that one client's flood does not slow another."""

from typing import Final

from roomkey.authorization_server.web.oauth_error import too_many

_MOST: Final = 64


class ConcurrencyLimit:
    """Counts the requests of each caller that are under way. For one event loop."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._inside: dict[str, int] = {}

    def place(self, caller: str) -> "_Place":
        """``with crowd.place(caller):`` hold a place while the request is served.

        Raises OAuthError (429) where ``caller`` has too many already.
        """
        return _Place(self._inside, self._most, caller)


class _Place:
    __slots__ = ("_caller", "_inside", "_most")

    def __init__(self, inside: dict[str, int], most: int, caller: str) -> None:
        self._inside = inside
        self._most = most
        self._caller = caller

    def __enter__(self) -> None:
        inside = self._inside.get(self._caller, 0)
        if inside >= self._most:
            raise too_many(1)
        self._inside[self._caller] = inside + 1

    def __exit__(self, *_: object) -> None:
        left = self._inside[self._caller] - 1
        if left:
            self._inside[self._caller] = left
        else:
            del self._inside[self._caller]
