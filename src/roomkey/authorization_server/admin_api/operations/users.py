"""Users, to be read and to be kept out: what they may do is for people to decide."""

from typing import Final

from roomkey.authorization_server.accounts.page import LARGEST, Page
from roomkey.authorization_server.admin_api.operation import Asked, Operation
from roomkey.authorization_server.admin_api.operations.paging import Paging
from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.identity import users
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


def _users(uow: UnitOfWork, asked: Asked) -> Page[User]:
    query: Paging = asked.query
    if not 1 <= query.limit < LARGEST:
        raise Invalid(f"A page of users has 1 to {LARGEST - 1} items.", field="limit")
    found = users.list_users(uow, after=query.after or "", limit=query.limit + 1)
    shown = found[: query.limit]
    return Page(shown, shown[-1].username_key if len(found) > query.limit else None)


def _user(uow: UnitOfWork, asked: Asked) -> User:
    return users.get(uow, asked.path["user"])


def _disable_user(uow: UnitOfWork, asked: Asked) -> User:
    return users.disable(uow, asked.path["user"])


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/users",
        name="list_users",
        summary="List the users.",
        permissions=(Permission.READ_USERS,),
        query=Paging,
        answer=Page[User],
        act=_users,
    ),
    Operation(
        method="GET",
        path="/users/{user}",
        name="get_user",
        summary="Show one user, by id or user name.",
        permissions=(Permission.READ_USERS,),
        answer=User,
        act=_user,
    ),
    Operation(
        method="POST",
        path="/users/{user}/disable",
        name="disable_user",
        summary="Let nobody in as a user, and end their sessions and tokens.",
        permissions=(Permission.CHANGE_USERS,),
        answer=User,
        act=_disable_user,
    ),
)
