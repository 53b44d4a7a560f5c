"""How many requests wait for the visitor: to be answered, or to be collected."""

from roomkey.authorization_server.accounts import token_requests
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork

_MOST = 100


def waiting(uow: UnitOfWork) -> int:
    """The number beside Requests, a hundred at most."""
    actor, count = uow.actor, 0
    if actor.may(Permission.APPROVE_TOKENS):
        pending = token_requests.find(uow, state="pending", limit=_MOST).items
        count += sum(one.requested_by != actor.id for one in pending)
    if actor.may(Permission.REQUEST_TOKENS):
        approved = token_requests.find(uow, state="approved", own=True, limit=_MOST).items
        count += sum(one.collectable(uow.now) for one in approved)
    return min(count, _MOST)
