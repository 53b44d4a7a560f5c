"""What an actor may hand on: nobody makes, or takes over, something that may do more than they may themselves."""

from collections.abc import Iterable

from sqlalchemy import select

from roomkey.authorization_server.accounts.syntax import words
from roomkey.authorization_server.actor import ActorKind
from roomkey.authorization_server.errors import NotAllowed
from roomkey.authorization_server.permissions import Permission, permissions_of
from roomkey.authorization_server.schema.accounts import account_apis
from roomkey.authorization_server.schema.people import users
from roomkey.authorization_server.work import Work


def demand_roles(work: Work, roles: Iterable[str]) -> None:
    """Raise NotAllowed where the actor may not give these roles to an account.

    Administrators may give any; everybody else, and every service account, only roles of their own.
    """
    if _gives_any_role(work):
        return
    beyond = set(roles) - work.actor.roles
    if beyond:
        raise NotAllowed(f"You do not have the role {min(beyond)} yourself; ask an administrator.")


def roles_within(work: Work, roles: Iterable[str]) -> tuple[str, ...]:
    """Those of an account's ``roles`` that a token may have which the actor makes for it."""
    if _gives_any_role(work):
        return tuple(roles)
    return tuple(role for role in roles if role in work.actor.roles)


def demand_scopes(work: Work, audience: str, scopes: Iterable[str]) -> None:
    """Raise NotAllowed where the actor may not give these scopes of an API to an account or a token.

    People give no more than their own tokens may hold, and service accounts no more than they may ask for.
    """
    allowed = _scopes_of(work, audience)
    beyond = set() if allowed is None else set(scopes) - allowed
    if beyond:
        raise NotAllowed(f"You may not use the scope {min(beyond)} of {audience} yourself; ask an administrator.")


def demand_not_stronger(work: Work, client_id: str, roles: Iterable[str]) -> None:
    """Raise NotAllowed where the account ``client_id`` may do more than the actor, or is the actor itself."""
    if work.actor.kind is ActorKind.SERVICE_ACCOUNT:
        if work.actor.id == client_id:
            raise NotAllowed("A service account cannot change itself; somebody else has to.")
        held = work.connection.execute(select(account_apis).where(account_apis.c.client_id == client_id)).all()
        for row in held:
            demand_scopes(work, row.audience, words(row.scopes))
    if not permissions_of(frozenset(roles)) <= permissions_of(work.actor.roles):
        raise NotAllowed(f"The account {client_id} may do more here than you; ask an administrator.")


def _gives_any_role(work: Work) -> bool:
    return work.actor.kind is not ActorKind.SERVICE_ACCOUNT and work.actor.may(Permission.CHANGE_ACCOUNTS)


def _scopes_of(work: Work, audience: str) -> frozenset[str] | None:
    """The scopes of an API that the actor may hand on; None for all."""
    text: str | None
    if work.actor.kind is ActorKind.SERVICE_ACCOUNT:
        text = work.connection.scalar(
            select(account_apis.c.scopes).where(
                account_apis.c.client_id == work.actor.id, account_apis.c.audience == audience
            )
        )
        return frozenset(words(text or ""))
    if work.actor.kind is ActorKind.USER:
        text = work.connection.scalar(select(users.c.scopes).where(users.c.id == work.actor.id))
        return None if text is None else frozenset(words(text))
    return None
