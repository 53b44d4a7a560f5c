"""Secrets of accounts: shown once, two of them while they are changed, and the old one ends at its date."""

import json

import pytest
from sqlalchemy import select

from roomkey.authorization_server.accounts.service_accounts.commands import (
    GetServiceAccount,
    ListAccountSecrets,
    RotateAccountSecret,
)
from roomkey.authorization_server.accounts.service_accounts.secrets import valid
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.schema.accounts import account_secrets as table


def _live(small_service) -> set[bytes]:
    with small_service.look(Actor.console()) as uow:
        return {bytes(one) for one in uow.connection.scalars(select(table.c.digest).where(valid(uow.now)))}


def test_both_secrets_live_until_the_date_and_then_the_old_one_is_dead(acting, small_service, clock):  # auth service 7
    acting.api()
    old = acting.account().client_secret
    clock.advance(10)
    new = acting(RotateAccountSecret, "reports", overlap=3600)
    assert new.old_until == small_service.now() + 3600
    assert {old.digest, new.client_secret.digest} <= _live(small_service)
    clock.advance(3599)
    assert old.digest in _live(small_service)
    clock.advance(1)  # at that second, and no cleaner has run
    assert old.digest not in _live(small_service)
    assert new.client_secret.digest in _live(small_service)
    assert [one.hint for one in acting(ListAccountSecrets, "reports").items] == [new.client_secret.hint]


def test_without_an_overlap_the_old_secret_is_dead_at_once(acting, small_service):
    acting.api()
    old = acting.account().client_secret
    new = acting(RotateAccountSecret, "reports")
    assert new.old_until is None
    assert old.digest not in _live(small_service)


def test_at_most_two_secrets_live_and_no_rotation_lengthens_the_life_of_an_old_one(acting, small_service, clock):
    acting.api()
    acting.account()
    seen = []
    for _ in range(3):
        clock.advance(1)
        seen.append(acting(RotateAccountSecret, "reports", overlap=60).client_secret)
    live = _live(small_service) & {one.digest for one in seen}
    assert live == {seen[1].digest, seen[2].digest}
    ends = [one.expires_at for one in acting(ListAccountSecrets, "reports").items]
    assert ends == [None, small_service.now() + 60]


@pytest.mark.parametrize("overlap", [-1, 30 * 86_400 + 1])
def test_an_overlap_has_bounds(acting, overlap):
    acting.api()
    acting.account()
    with pytest.raises(Invalid):
        acting(RotateAccountSecret, "reports", overlap=overlap)


def test_a_secret_is_never_told_again(acting, small_service):  # auth service 46, 54
    acting.api()
    first = acting.account().client_secret.value
    second = acting(RotateAccountSecret, "reports", overlap=60).client_secret.value
    told = [acting(ListAccountSecrets, "reports"), acting(GetServiceAccount, "reports"), acting.events()]
    files = b"".join(path.read_bytes() for path in small_service.settings.data.glob("roomkey.db*"))
    for secret in (first, second):
        assert secret not in repr(told)
        assert secret not in json.dumps(told, default=str)
        assert secret.encode() not in files
        assert secret[5:-4].encode() not in files
