"""The claims of a token that was verified, and what they say of who may do what."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn, final

from roomkey.secret import Confidential


@final
class Claims(Confidential, Mapping[str, Any]):
    """The verified claims of one token: a read-only mapping, with the names that every issuer writes differently.

    One value serves every request with the same token, so nothing in it can be changed: lists are tuples, objects are
    read-only mappings; ``as_dict`` makes a copy of one's own. Its repr shows whose token it is and for which client,
    and no other claim. Safe in any thread.

    Attributes:
        subject: who the token is about (``sub``), or None.
        client_id: the app that acts, or None.
        scopes: what the token allows; empty allows nothing.
        roles: the roles of the subject.
        tenant: the tenant that it belongs to, or None.
    """

    __slots__ = ("_values", "client_id", "roles", "scopes", "subject", "tenant")

    _values: Mapping[str, Any]
    subject: str | None
    client_id: str | None
    scopes: frozenset[str]
    roles: frozenset[str]
    tenant: str | None

    def __init__(
        self,
        values: Mapping[str, Any],
        *,
        subject: str | None = None,
        client_id: str | None = None,
        scopes: frozenset[str] = frozenset(),
        roles: frozenset[str] = frozenset(),
        tenant: str | None = None,
    ) -> None:
        """``values`` are not changed any more by whoever hands them in."""
        if not _CONTAINERS.isdisjoint(map(type, values.values())):
            values = {name: _frozen(value) for name, value in values.items()}
        _fill(self, "_values", values)
        _fill(self, "subject", subject)
        _fill(self, "client_id", client_id)
        _fill(self, "scopes", scopes)
        _fill(self, "roles", roles)
        _fill(self, "tenant", tenant)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("verified claims cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("verified claims cannot be changed")

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def as_dict(self) -> dict[str, Any]:
        """A copy in dicts and lists, as the token had them, which may be changed and written as JSON."""
        return {name: _thawed(value) for name, value in self._values.items()}

    def __repr__(self) -> str:
        return f"Claims(subject={self.subject!r}, client_id={self.client_id!r})"


_CONTAINERS: Final = frozenset({dict, list, tuple, MappingProxyType})
_fill: Final = object.__setattr__


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({name: _frozen(inner) for name, inner in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _thawed(inner) for name, inner in value.items()}
    return list(map(_thawed, value)) if isinstance(value, tuple) else value
