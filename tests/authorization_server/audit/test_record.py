"""The audit log keeps what was done, however much there is to tell."""

import json

from sqlalchemy import select
from tests.authorization_server.accounts.conftest import Acting

from roomkey.authorization_server.accounts.apis.commands import ChangeApi, CreateApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.audit.verify import find_break
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.service import Service


def test_nobody_hides_a_change_by_making_it_long(small_service: Service):  # auth service 48
    acting = Acting(small_service)
    acting(CreateApi, audience="orders", scopes=[Scope(f"{number:02}" + "x" * 98) for number in range(100)])
    acting(ChangeApi, "orders", description="payroll")
    assert json.loads(acting.events()[-1].details)["after"]["description"] == "payroll"


def test_what_is_longer_than_any_request_is_cut_and_the_chain_holds(small_service: Service):  # auth service 48
    with small_service.unit_of_work(Actor.console()) as uow:
        record_event(uow, "test", Subject("test", "1"), words="ä" * 100_000)
    with small_service.look(Actor.console()) as uow:
        details = uow.connection.scalar(select(audit_events.c.details).where(audit_events.c.action == "test"))
        assert json.loads(details)["beginning"].startswith('{"words":"ää')
        assert find_break(uow.connection) is None
