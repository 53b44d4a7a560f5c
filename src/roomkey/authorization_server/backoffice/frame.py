"""What stands around every page: where one can go, who is signed in, and the proof that its forms carry (pure)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.permissions import Permission


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One line of the navigation."""

    name: str
    href: str
    icon: str
    needs: tuple[Permission, ...]
    here: bool = False
    count: int = 0


@dataclass(frozen=True, slots=True)
class MenuGroup:
    """Lines of the navigation that belong together."""

    name: str
    places: tuple[MenuEntry, ...]


_READ: Final = (Permission.READ,)
_MENU: Final = (
    MenuGroup("", (MenuEntry("Front desk", "/", "home", ()),)),
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
        "Behind the desk",
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
class Frame:
    """What stands around a page.

    Attributes:
        actor: who is signed in, or None.
        csrf: what every form of the page sends along.
        address: the path of the page.
        scheme: ``light`` or ``dark`` where the person has chosen, else empty.
        toast: what has just been done, in a sentence, or empty.
        waiting: how many requests wait for an answer of this person.
    """

    actor: Actor | None
    csrf: str = ""
    address: str = "/"
    scheme: str = ""
    toast: str = ""
    waiting: int = 0

    @property
    def person(self) -> str:
        """How the person who is signed in is called; empty where nobody is."""
        return self.actor.name if self.actor else ""

    @property
    def person_id(self) -> str:
        """The id of the person who is signed in; empty where nobody is."""
        return self.actor.id if self.actor else ""

    @property
    def roles(self) -> str:
        """Their roles, in words."""
        return ", ".join(sorted(self.actor.roles)) or "no role" if self.actor else ""

    @property
    def at_own_account(self) -> bool:
        """Whether the page is about the person's own account."""
        return _is_at(self.address, "/account")

    def may(self, *permissions: str) -> bool:
        """Whether the person has one of ``permissions``; what a page offers, not what the service grants."""
        return self.actor is not None and any(self.actor.may(Permission(each)) for each in permissions)

    @property
    def menu(self) -> tuple[MenuGroup, ...]:
        """The navigation, without what the person may not see."""
        groups = (MenuGroup(group.name, tuple(self._places(group))) for group in _MENU)
        return tuple(group for group in groups if group.places)

    def _places(self, group: MenuGroup) -> Iterator[MenuEntry]:
        for place in group.places:
            if not place.needs or self.may(*place.needs):
                count = self.waiting if place.href == "/token-requests" else 0
                yield MenuEntry(
                    place.name, place.href, place.icon, place.needs, _is_at(self.address, place.href), count
                )


def _is_at(address: str, place: str) -> bool:
    return address == place or (place != "/" and address.startswith(place + "/"))
