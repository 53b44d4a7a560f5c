"""Permissions of each role, as one table (pure)."""

import enum
from typing import Final


class Role(enum.StrEnum):
    """Roles with permissions in the service itself; users may have others, which only appear in their tokens."""

    ADMINISTRATOR = "administrator"
    APPROVER = "approver"
    DEVELOPER = "developer"
    AUDITOR = "auditor"


class Permission(enum.StrEnum):
    """One permission."""

    READ = "read"  # accounts, APIs, keys and tokens, of the actor's tenant
    READ_USERS = "read_users"
    READ_AUDIT = "read_audit"
    CHANGE_APIS = "change_apis"
    CHANGE_ACCOUNTS = "change_accounts"
    CHANGE_OWN_ACCOUNTS = "change_own_accounts"
    REQUEST_TOKENS = "request_tokens"
    APPROVE_TOKENS = "approve_tokens"
    REVOKE_TOKENS = "revoke_tokens"
    CHANGE_USERS = "change_users"
    CHANGE_KEYS = "change_keys"
    CHANGE_SETTINGS = "change_settings"


ALLOWED: Final[dict[Role, frozenset[Permission]]] = {
    Role.ADMINISTRATOR: frozenset(Permission),
    Role.APPROVER: frozenset({Permission.READ, Permission.APPROVE_TOKENS, Permission.REVOKE_TOKENS}),
    Role.DEVELOPER: frozenset({Permission.READ, Permission.REQUEST_TOKENS, Permission.CHANGE_OWN_ACCOUNTS}),
    Role.AUDITOR: frozenset({Permission.READ, Permission.READ_USERS, Permission.READ_AUDIT}),
}


def permissions_of(roles: frozenset[str]) -> frozenset[Permission]:
    """Return the union of the permissions of ``roles``; an unknown role has none."""
    return frozenset().union(*(ALLOWED[role] for role in Role if role.value in roles))
