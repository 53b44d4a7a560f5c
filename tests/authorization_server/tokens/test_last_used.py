"""The times of last use of app tokens and secrets are written together, periodically, and never by a request."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select
from tests.authorization_server.oauth_service import CONSOLE, OAuthService, second_node

from roomkey.authorization_server.accounts.app_tokens.commands import CreateAppToken, CreatedAppToken, GetAppToken
from roomkey.authorization_server.schema.accounts import account_secrets
from roomkey.testing import FakeClock


def test_uses_are_written_together_and_not_by_the_request(oauth: OAuthService, clock: FakeClock) -> None:
    # auth service 56
    token = made(oauth)
    with oauth.statements() as seen:
        for _ in range(20):
            assert oauth.active(oauth.api, token.token.reveal())
    assert not [text for text in seen if text.startswith(("UPDATE", "INSERT"))]
    assert last_used(oauth, token) is None
    clock.advance(5)
    with oauth.statements() as seen:
        oauth.run(oauth.app.state.last_used.write())
    assert len([text for text in seen if text.startswith("UPDATE app_tokens")]) == 1
    assert last_used(oauth, token) == oauth.service.now() - 5


def test_nothing_used_means_nothing_written(oauth: OAuthService) -> None:
    # auth service 56
    with oauth.statements() as seen:
        oauth.run(oauth.app.state.last_used.write())
    assert seen == []


@pytest.mark.slow
def test_short_lived_tokens_are_not_noted(oauth: OAuthService) -> None:
    # auth service 56
    token = oauth.token(oauth.add_account()).json()["access_token"]
    oauth.run(oauth.app.state.last_used.write())  # the secret's
    assert oauth.active(oauth.api, token)
    with oauth.statements() as seen:
        oauth.run(oauth.app.state.last_used.write())
    assert not [text for text in seen if text.startswith("UPDATE app_tokens")]


def test_an_older_time_of_another_node_does_not_replace_a_newer_one(oauth: OAuthService, clock: FakeClock) -> None:
    # auth service 56
    token = made(oauth)
    with second_node(oauth.service) as other:
        assert oauth.active(oauth.api, token.token.reveal())
        clock.advance(60)
        assert other.active(oauth.api, token.token.reveal())
        other.run(other.app.state.last_used.write())
        oauth.run(oauth.app.state.last_used.write())
        assert last_used(oauth, token) == oauth.service.now()


def test_a_locked_row_fails_no_authentication_and_what_cannot_be_written_is_dropped(oauth: OAuthService) -> None:
    # auth service 56
    token = made(oauth)
    assert oauth.active(oauth.api, token.token.reveal())
    with locked(oauth):
        with oauth.statements() as seen:
            assert oauth.active(oauth.api, token.token.reveal())
        assert not [one for one in seen if not one.startswith("SELECT")]  # nothing that waits for the lock
        oauth.run(oauth.app.state.last_used.write())
    with oauth.service.look(CONSOLE) as uow:
        assert set(uow.connection.scalars(select(account_secrets.c.last_used_at))) == {None}
    assert last_used(oauth, token) is None


def made(oauth: OAuthService) -> CreatedAppToken:
    oauth.add_account()
    token: CreatedAppToken = oauth.act(
        CreateAppToken, client_id="reports", audience="orders-api", scopes=["orders:read"], lifetime=86_400
    )
    return token


def last_used(oauth: OAuthService, token: CreatedAppToken) -> int | None:
    with oauth.service.look(CONSOLE) as uow:
        return GetAppToken(token.app_token.id)(uow).last_used_at


@contextmanager
def locked(oauth: OAuthService) -> Iterator[None]:
    """Hold a write transaction open."""
    begun, over = threading.Event(), threading.Event()

    def hold() -> None:
        with oauth.service.database.writing():
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
