"""When app tokens and secrets were last used is written now and then, together, and never in a request's way."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select
from tests.authorization_server.oauth_world import CONSOLE, World, second_node

from roomkey.authorization_server.accounts import app_tokens
from roomkey.authorization_server.accounts.app_tokens import NewAppToken
from roomkey.authorization_server.schema.accounts import account_secrets
from roomkey.testing import FakeClock


def test_a_use_is_written_down_together_with_others_and_not_by_the_request(world: World, clock: FakeClock) -> None:
    # auth service 56
    token = made(world)
    with world.statements() as seen:
        for _ in range(20):
            assert world.active(world.api, token.minted.value)
    assert not [text for text in seen if text.startswith(("UPDATE", "INSERT"))]
    assert last_used(world, token) is None
    clock.advance(5)
    with world.statements() as seen:
        world.run(world.app.state.last_used.write())
    assert len([text for text in seen if text.startswith("UPDATE app_tokens")]) == 1
    assert last_used(world, token) == world.service.now() - 5


def test_nothing_used_means_nothing_written(world: World) -> None:
    # auth service 56
    with world.statements() as seen:
        world.run(world.app.state.last_used.write())
    assert seen == []


def test_tokens_that_nobody_keeps_for_long_leave_no_note(world: World) -> None:
    # auth service 56
    token = world.token(world.add_account()).json()["access_token"]
    world.run(world.app.state.last_used.write())  # the secret's
    assert world.active(world.api, token)
    with world.statements() as seen:
        world.run(world.app.state.last_used.write())
    assert not [text for text in seen if text.startswith("UPDATE app_tokens")]


def test_an_older_note_of_another_node_does_not_replace_a_newer_one(world: World, clock: FakeClock) -> None:
    # auth service 56
    token = made(world)
    with second_node(world.service) as other:
        assert world.active(world.api, token.minted.value)
        clock.advance(60)
        assert other.active(world.api, token.minted.value)
        other.run(other.app.state.last_used.write())
        world.run(world.app.state.last_used.write())
        assert last_used(world, token) == world.service.now()


def test_a_locked_row_fails_no_authentication_and_what_cannot_be_written_is_given_up(world: World) -> None:
    # auth service 56
    token = made(world)
    assert world.active(world.api, token.minted.value)
    with locked(world):
        began = time.monotonic()
        assert world.active(world.api, token.minted.value)
        assert time.monotonic() - began < 4.0  # what waits for the lock waits five seconds
        world.run(world.app.state.last_used.write())
    with world.service.look(CONSOLE) as uow:
        assert set(uow.connection.scalars(select(account_secrets.c.last_used_at))) == {None}
    assert last_used(world, token) is None


def made(world: World) -> NewAppToken:
    world.add_account()
    token: NewAppToken = world.act(
        app_tokens.create, client_id="reports", audience="orders-api", scopes=["orders:read"], lifetime=86_400
    )
    return token


def last_used(world: World, token: NewAppToken) -> int | None:
    with world.service.look(CONSOLE) as uow:
        return app_tokens.get(uow, token.app_token.id).last_used_at


@contextmanager
def locked(world: World) -> Iterator[None]:
    """Somebody else writes for as long as this lasts."""
    begun, over = threading.Event(), threading.Event()

    def hold() -> None:
        with world.service.database.writing():
            begun.set()
            over.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    begun.wait(10)
    try:
        yield
    finally:
        over.set()
        holder.join()
