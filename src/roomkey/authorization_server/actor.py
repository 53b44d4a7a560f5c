"""Who does something: a person in the backoffice, whoever holds the machine, or the service itself (pure)."""

import enum
from dataclasses import dataclass
from typing import Final, Self

from roomkey.authorization_server.permissions import Permission, Role, permissions_of


class ActorKind(enum.StrEnum):
    """How an actor came in."""

    CONSOLE = "console"
    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts, and what they may do.

    Attributes:
        kind: how they came in.
        id: the id of the user or the client_id of the account; empty otherwise.
        name: how people call them.
        roles: of the user.
        tenant: the one tenant whose things they see, or None for all.
        address: where they came from, for the audit log.
    """

    kind: ActorKind
    id: str = ""
    name: str = ""
    roles: frozenset[str] = frozenset()
    tenant: str | None = None
    address: str = ""

    @classmethod
    def console(cls) -> Self:
        """Whoever holds the service's own files is its administrator."""
        return cls(ActorKind.CONSOLE, name="console", roles=frozenset({Role.ADMINISTRATOR.value}))

    @classmethod
    def service(cls) -> Self:
        """The service by itself: a cleaner, a rotation by schedule, a family that reuse has ended."""
        return cls(ActorKind.SERVICE, name="service", roles=frozenset({Role.ADMINISTRATOR.value}))

    def may(self, permission: Permission) -> bool:
        """Whether their roles allow it."""
        return permission in permissions_of(self.roles)

    def sees(self, tenant: str | None) -> bool:
        """Whether what belongs to ``tenant`` (None: to nobody in particular) is theirs to see."""
        return self.tenant is None or tenant == self.tenant

    def __str__(self) -> str:
        return self.kind.value if not self.id else f"{self.kind.value}:{self.id}"


SERVICE: Final = Actor.service()
