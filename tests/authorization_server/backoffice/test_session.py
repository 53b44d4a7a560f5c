"""What a visit may do is what its visitor may do at the moment of the act, not at the moment of the page."""

import asyncio

import pytest
from starlette.requests import Request

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.errors import NotAllowed
from roomkey.authorization_server.identity import sessions
from roomkey.authorization_server.identity.commands import ChangeUser, CreateUser, DisableUser
from roomkey.authorization_server.identity.passwords import Cost, PasswordHashing
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork

CONSOLE = Actor.console()


@pytest.fixture
def visit(small_service: Service) -> Visit:
    """A page that bob, an administrator, has asked for."""
    hashing = PasswordHashing(Cost(memory=8, passes=1))
    with small_service.unit_of_work(CONSOLE) as uow:
        CreateUser(username="alice", roles=["administrator"], password=None)(uow)
        bob = CreateUser(username="bob", roles=["administrator"], password=None)(uow)
        cookie = sessions.begin(uow, bob, stage=Stage.FULL).cookie.value
        signed_in = sessions.look_up(uow, cookie)
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": [], "client": ("192.0.2.1", 1)})
    return Visit(request, small_service, hashing, cookie, signed_in)


def test_whoever_was_demoted_since_the_page_does_nothing_more(visit: Visit) -> None:  # auth service 44
    def act(uow: UnitOfWork) -> frozenset[str]:
        uow.demand(Permission.CHANGE_USERS)
        return uow.actor.roles

    assert asyncio.run(visit.perform(act)) == {"administrator"}
    with visit.service.unit_of_work(CONSOLE) as uow:
        ChangeUser("bob", roles=["auditor"])(uow)
    with pytest.raises(NotAllowed):
        asyncio.run(visit.perform(act))


def test_whoever_was_disabled_since_the_page_does_nothing_more(visit: Visit) -> None:  # auth service 9
    with visit.service.unit_of_work(CONSOLE) as uow:
        DisableUser("bob")(uow)
    with pytest.raises(NotAllowed, match="disabled"):
        asyncio.run(visit.perform(lambda uow: None))
