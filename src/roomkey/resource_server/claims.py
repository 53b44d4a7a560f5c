"""The claims of a token that was verified, and what they say of who may do what."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, final

from roomkey.secret import Confidential


@final
class Claims(Confidential, Mapping[str, Any]):
    """The verified claims of one token: a read-only mapping, with the names that every issuer writes differently.

    Its repr shows whose token it is and for which client, and no other claim. Safe in any thread.

    Attributes:
        subject: who the token is about (``sub``), or None.
        client_id: the app that acts, or None.
        scopes: what the token allows; empty allows nothing.
        roles: the roles of the subject.
        tenant: the tenant that it belongs to, or None.
    """

    __slots__ = ("_values", "client_id", "roles", "scopes", "subject", "tenant")

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
        self._values = MappingProxyType(dict(values))
        self.subject = subject
        self.client_id = client_id
        self.scopes = scopes
        self.roles = roles
        self.tenant = tenant

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Claims(subject={self.subject!r}, client_id={self.client_id!r})"
