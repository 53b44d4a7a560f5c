"""How many requests of one caller are served at once, so that one client's flood does not slow another."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from roomkey.authorization_server.web.oauth_error import too_many

_MOST: Final = 64


class Crowd:
    """Counts the requests of each caller that are under way. For one event loop."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._inside: dict[str, int] = {}

    @contextmanager
    def place(self, caller: str) -> Iterator[None]:
        """Hold a place while the request is served; raises OAuthError (429) where ``caller`` has too many already."""
        inside = self._inside.get(caller, 0)
        if inside >= self._most:
            raise too_many(1)
        self._inside[caller] = inside + 1
        try:
            yield
        finally:
            left = self._inside[caller] - 1
            if left:
                self._inside[caller] = left
            else:
                del self._inside[caller]
