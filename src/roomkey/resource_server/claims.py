"""The claims of a token that was verified, and what they say of who may do what."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, final

from roomkey.secret import Confidential


@final
class Claims(Confidential, Mapping[str, Any]):
    """The verified claims of one token: a read-only mapping, with the names that every issuer writes differently.

    One value serves every request with the same token, so nothing in it can be changed: lists are tuples, objects are
    read-only mappings; ``as_dict`` makes a copy of one's own. Its repr shows whose token it is and for which client,
    and no other claim. Safe in any thread.
    """

    __slots__ = ("_client_id", "_roles", "_scopes", "_subject", "_tenant", "_values")

    def __init__(
        self,
        values: Mapping[str, Any],
        subject: str | None = None,
        client_id: str | None = None,
        scopes: frozenset[str] = frozenset(),
        roles: frozenset[str] = frozenset(),
        tenant: str | None = None,
    ) -> None:
        """``values`` are not changed any more by whoever hands them in."""
        self._values = values
        self._subject = subject
        self._client_id = client_id
        self._scopes = scopes
        self._roles = roles
        self._tenant = tenant

    @property
    def subject(self) -> str | None:
        """Who the token is about (``sub``), or None."""
        return self._subject

    @property
    def client_id(self) -> str | None:
        """The app that acts, or None."""
        return self._client_id

    @property
    def scopes(self) -> frozenset[str]:
        """What the token allows; empty allows nothing."""
        return self._scopes

    @property
    def roles(self) -> frozenset[str]:
        """The roles of the subject."""
        return self._roles

    @property
    def tenant(self) -> str | None:
        """The tenant that the token belongs to, or None."""
        return self._tenant

    def __getitem__(self, name: str) -> Any:
        return _frozen(self._values[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def as_dict(self) -> dict[str, Any]:
        """A copy in dicts and lists, as the token had them, which may be changed and written as JSON."""
        return {name: _thawed(value) for name, value in self._values.items()}

    def __repr__(self) -> str:
        return f"Claims(subject={self.subject!r}, client_id={self.client_id!r})"


_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def _frozen(value: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return MappingProxyType({name: _frozen(inner) for name, inner in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _thawed(inner) for name, inner in value.items()}
    return list(map(_thawed, value)) if isinstance(value, list | tuple) else value
