"""Actor of a command: a user, a service account, the console, or the service itself (pure)."""

import enum
from dataclasses import dataclass
from typing import Final, Self

from roomkey.authorization_server.permissions import Permission, Role, permissions_of


class ActorKind(enum.StrEnum):
    """Kind of an actor."""

    CONSOLE = "console"
    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Actor:
    """The user, account or process on whose behalf a command runs.

    Attributes:
        kind: its kind.
        id: the id of the user or the client_id of the account; empty otherwise.
        name: for display.
        roles: of the user or account.
        tenant: the one tenant whose objects it sees, or None for all.
        address: its IP address, for the audit log.
    """

    kind: ActorKind
    id: str = ""
    name: str = ""
    roles: frozenset[str] = frozenset()
    tenant: str | None = None
    address: str = ""

    @classmethod
    def console(cls) -> Self:
        """Return the actor of the command line on the service's machine, who has its files: an administrator."""
        return cls(ActorKind.CONSOLE, name="console", roles=frozenset({Role.ADMINISTRATOR.value}))

    @classmethod
    def service(cls) -> Self:
        """Return the actor of background jobs, scheduled rotations and revocations after reuse."""
        return cls(ActorKind.SERVICE, name="service", roles=frozenset({Role.ADMINISTRATOR.value}))

    def may(self, permission: Permission) -> bool:
        """Return whether the actor's roles have the permission."""
        return permission in permissions_of(self.roles)

    def sees(self, tenant: str | None) -> bool:
        """Return whether the actor sees objects of ``tenant``; None is that of objects without a tenant."""
        return self.tenant is None or tenant == self.tenant

    def __str__(self) -> str:
        return self.kind.value if not self.id else f"{self.kind.value}:{self.id}"


SERVICE: Final = Actor.service()
