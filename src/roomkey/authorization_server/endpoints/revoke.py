"""``/oauth2/revoke``: a client says that it needs a token no more, or has lost it (RFC 7009)."""

from collections.abc import Callable

from sqlalchemy import Connection, select, update

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.clients.client_cache import check
from roomkey.authorization_server.schema.tokens import access_tokens, app_tokens
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.issue import find_ledger_key
from roomkey.authorization_server.tokens.issued_tokens import revoke_family, revoke_token
from roomkey.authorization_server.tokens.refresh_tokens import look_up
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import NO_STORE, Answer, Endpoint, Received


def revocation_endpoint(service: Service, clients: ClientAuthentication, crowd: ConcurrencyLimit) -> Endpoint:
    """The endpoint, as an ASGI application. It answers 200 whether there was such a token or not (section 2.2)."""

    async def answer(received: Received) -> Answer:
        form = received.form()

        async def ended(client: Client) -> Answer:
            act = _act(form.required("token"), client)
            if act is not None:
                actor = Actor(ActorKind.SERVICE_ACCOUNT, client.client_id, client.client_id, address=received.address)
                await service.perform(actor, act)
            return Answer(200, b"", (NO_STORE,))

        return await clients.serve(received, form, crowd, ended)

    return Endpoint(answer, methods=frozenset({"POST"}))


def _act(token: str, client: Client) -> Callable[[UnitOfWork], None] | None:
    """What ends ``token``; None for what cannot be a token of this service."""
    if secret_format.is_whole(token, secret_format.Kind.REFRESH_TOKEN):
        return lambda uow: _end_refresh_token(uow, secret_format.digest_of(token), client)
    digest = find_ledger_key(token)
    return None if digest is None else lambda uow: _end_access_token(uow, digest, client)


def _end_refresh_token(uow: UnitOfWork, digest: bytes, client: Client) -> None:
    check(uow.connection, client.generation, issues=False)
    presented = look_up(uow.connection, digest)
    if presented is not None and presented.client_id == client.client_id:
        _end_family(uow, presented.family_id)


def _end_access_token(uow: UnitOfWork, digest: bytes, client: Client) -> None:
    """End the token, and what it was refreshed with: whoever gives up the one has no use for the other."""
    check(uow.connection, client.generation, issues=False)
    row = _owned(uow.connection, digest, client)
    if row is None:
        return
    family_id, jti = row
    if family_id is not None:
        _end_family(uow, family_id)
    elif revoke_token(uow, digest):
        uow.connection.execute(
            update(app_tokens)
            .where(app_tokens.c.digest == digest, app_tokens.c.revoked_at.is_(None))
            .values(revoked_at=uow.now)
        )
        record_event(uow, "access_token.revoked", Subject("access_token", jti))


def _owned(connection: Connection, digest: bytes, client: Client) -> tuple[str | None, str] | None:
    row = connection.execute(
        select(access_tokens.c.family_id, access_tokens.c.jti).where(
            access_tokens.c.digest == digest, access_tokens.c.client_id == client.client_id
        )
    ).first()
    return None if row is None else (row.family_id, row.jti)


def _end_family(uow: UnitOfWork, family_id: str) -> None:
    if revoke_family(uow, family_id, reason="revoked_by_client"):
        record_event(uow, "token_family.revoked", Subject("token_family", family_id))
