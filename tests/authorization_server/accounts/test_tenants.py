"""Tenants: made by whoever administers all of them, seen by those who belong there."""

import pytest

from roomkey.authorization_server.accounts.tenants.commands import CreateTenant, ListTenants
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed


def test_tenants_are_made_once_by_administrators_of_all(acting):
    acting.tenant("acme", "globex")
    with pytest.raises(Conflict):
        acting.tenant("acme")
    with pytest.raises(Invalid):
        acting.tenant("Acme Inc")
    for actor in (acting.user("ada", "administrator", tenant="acme"), acting.user("dev", "developer")):
        with pytest.raises(NotAllowed):
            acting(CreateTenant, name="mine", by=actor)
    assert [one.name for one in acting(ListTenants).items] == ["acme", "globex"]


def test_whoever_belongs_to_one_sees_that_one(acting):  # auth service 44
    acting.tenant("acme", "globex")
    auditor = acting.user("aud", "auditor", tenant="acme")
    assert [one.name for one in acting(ListTenants, by=auditor).items] == ["acme"]
