"""Layout of every page: the navigation, the user who is signed in, and the CSRF token of its forms (pure)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.permissions import Permission


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One entry of the navigation; ``needs`` are permissions of which the user must have one."""

    name: str
    href: str
    icon: str
    needs: tuple[Permission, ...]
    here: bool = False
    count: int = 0


@dataclass(frozen=True, slots=True)
class MenuGroup:
    """Entries of the navigation under one heading."""

    name: str
    entries: tuple[MenuEntry, ...]


_READ: Final = (Permission.READ,)
_MENU: Final = (
    MenuGroup("", (MenuEntry("Dashboard", "/", "home", ()),)),
    MenuGroup(
        "Access",
        (
            MenuEntry("Service accounts", "/service-accounts", "account", _READ),
            MenuEntry("App tokens", "/app-tokens", "fob", _READ),
            MenuEntry(
                "Requests",
                "/token-requests",
                "approve",
                (Permission.REQUEST_TOKENS, Permission.APPROVE_TOKENS, Permission.READ_AUDIT),
            ),
            MenuEntry("APIs", "/apis", "door", _READ),
        ),
    ),
    MenuGroup(
        "Administration",
        (
            MenuEntry("Keys", "/keys", "key", _READ),
            MenuEntry("Users", "/users", "people", (Permission.READ_USERS,)),
            MenuEntry("Tokens", "/tokens", "family", (Permission.READ_USERS, Permission.REVOKE_TOKENS)),
            MenuEntry("Audit log", "/audit", "audit", (Permission.READ_AUDIT,)),
        ),
    ),
    MenuGroup(
        "Tools",
        (
            MenuEntry("Explain a token", "/explain", "explain", _READ),
            MenuEntry("Settings", "/settings", "settings", (Permission.CHANGE_SETTINGS,)),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Values that the frame of a page shows.

    Attributes:
        actor: the user who is signed in, or None.
        csrf: the token that every form of the page sends along.
        path: of the page's URL.
        scheme: ``light`` or ``dark`` where the user has chosen, else empty.
        toast: a sentence on what was done just now, or empty.
        pending: number of token requests that wait for this user.
    """

    actor: Actor | None
    csrf: str = ""
    path: str = "/"
    scheme: str = ""
    toast: str = ""
    pending: int = 0

    @property
    def username(self) -> str:
        """Name of the user who is signed in; empty where nobody is."""
        return self.actor.name if self.actor else ""

    @property
    def user_id(self) -> str:
        """Id of the user who is signed in; empty where nobody is."""
        return self.actor.id if self.actor else ""

    @property
    def roles(self) -> str:
        """Roles of the user, separated by commas."""
        return ", ".join(sorted(self.actor.roles)) or "no role" if self.actor else ""

    @property
    def at_own_account(self) -> bool:
        """True on the pages of the user's own account."""
        return _is_below(self.path, "/account")

    def may(self, *permissions: str) -> bool:
        """True where the user has one of ``permissions``: decides what a page offers, not what the service allows."""
        return self.actor is not None and any(self.actor.may(Permission(each)) for each in permissions)

    @property
    def menu(self) -> tuple[MenuGroup, ...]:
        """The navigation, without the entries that the user may not see."""
        groups = (MenuGroup(group.name, tuple(self._entries(group))) for group in _MENU)
        return tuple(group for group in groups if group.entries)

    def _entries(self, group: MenuGroup) -> Iterator[MenuEntry]:
        for entry in group.entries:
            if not entry.needs or self.may(*entry.needs):
                count = self.pending if entry.href == "/token-requests" else 0
                yield replace(entry, here=_is_below(self.path, entry.href), count=count)


def _is_below(path: str, entry: str) -> bool:
    return path == entry or (entry != "/" and path.startswith(entry + "/"))
