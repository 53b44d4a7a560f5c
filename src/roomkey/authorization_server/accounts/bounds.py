"""What an actor may hand on: nobody makes, or takes over, something that may do more than they may themselves."""

from collections.abc import Iterable

from sqlalchemy import select

from roomkey.authorization_server.accounts.syntax import words
from roomkey.authorization_server.actor import ActorKind
from roomkey.authorization_server.errors import NotAllowed
from roomkey.authorization_server.permissions import Permission, permissions_of
from roomkey.authorization_server.schema.accounts import account_apis
from roomkey.authorization_server.schema.identity import users
from roomkey.authorization_server.unit_of_work import UnitOfWork


def demand_roles(uow: UnitOfWork, roles: Iterable[str]) -> None:
    """Raise NotAllowed where the actor may not give these roles to an account.

    Administrators may give any; everybody else, and every service account, only roles of their own.
    """
    if _gives_any_role(uow):
        return
    beyond = set(roles) - uow.actor.roles
    if beyond:
        raise NotAllowed(f"You do not have the role {min(beyond)} yourself; ask an administrator.")


def roles_within(uow: UnitOfWork, roles: Iterable[str]) -> tuple[str, ...]:
    """Those of an account's ``roles`` that a token may have which the actor makes for it."""
    if _gives_any_role(uow):
        return tuple(roles)
    return tuple(role for role in roles if role in uow.actor.roles)


def demand_scopes(uow: UnitOfWork, audience: str, scopes: Iterable[str]) -> None:
    """Raise NotAllowed where the actor may not give these scopes of an API to an account or a token.

    People give no more than their own tokens may hold, and service accounts no more than they may ask for.
    """
    allowed = _scopes_of(uow, audience)
    beyond = set() if allowed is None else set(scopes) - allowed
    if beyond:
        raise NotAllowed(f"You may not use the scope {min(beyond)} of {audience} yourself; ask an administrator.")


def demand_not_stronger(uow: UnitOfWork, client_id: str, roles: Iterable[str]) -> None:
    """Raise NotAllowed where the account ``client_id`` may do more than the actor, or is the actor itself."""
    if uow.actor.kind is ActorKind.SERVICE_ACCOUNT:
        if uow.actor.id == client_id:
            raise NotAllowed("A service account cannot change itself; somebody else has to.")
        held = uow.connection.execute(select(account_apis).where(account_apis.c.client_id == client_id)).all()
        for row in held:
            demand_scopes(uow, row.audience, words(row.scopes))
    if not permissions_of(frozenset(roles)) <= permissions_of(uow.actor.roles):
        raise NotAllowed(f"The account {client_id} may do more here than you; ask an administrator.")


def _gives_any_role(uow: UnitOfWork) -> bool:
    return uow.actor.kind is not ActorKind.SERVICE_ACCOUNT and uow.actor.may(Permission.CHANGE_ACCOUNTS)


def _scopes_of(uow: UnitOfWork, audience: str) -> frozenset[str] | None:
    """The scopes of an API that the actor may hand on; None for all."""
    text: str | None
    if uow.actor.kind is ActorKind.SERVICE_ACCOUNT:
        text = uow.connection.scalar(
            select(account_apis.c.scopes).where(
                account_apis.c.client_id == uow.actor.id, account_apis.c.audience == audience
            )
        )
        return frozenset(words(text or ""))
    if uow.actor.kind is ActorKind.USER:
        text = uow.connection.scalar(select(users.c.scopes).where(users.c.id == uow.actor.id))
        return None if text is None else frozenset(words(text))
    return None
