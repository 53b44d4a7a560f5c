"""``/oauth2/revoke``: a client says that it needs a token no more, or has lost it (RFC 7009)."""

from collections.abc import Callable

from sqlalchemy import Connection, select, update

from roomkey.authorization_server import audit, opaque
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.clients.directory import check
from roomkey.authorization_server.schema.tokens import access_tokens, app_tokens
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.families import look_up
from roomkey.authorization_server.tokens.ledger import revoke_family, revoke_token
from roomkey.authorization_server.tokens.minting import find_ledger_key
from roomkey.authorization_server.web.crowd import Crowd
from roomkey.authorization_server.web.endpoint import NO_STORE, Answer, Endpoint, Received
from roomkey.authorization_server.work import Work


def revocation_endpoint(service: Service, clients: ClientAuthentication, crowd: Crowd) -> Endpoint:
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


def _act(token: str, client: Client) -> Callable[[Work], None] | None:
    """What ends ``token``; None for what cannot be a token of this service."""
    if opaque.is_whole(token, opaque.Kind.REFRESH_TOKEN):
        return lambda work: _end_refresh_token(work, opaque.digest_of(token), client)
    digest = find_ledger_key(token)
    return None if digest is None else lambda work: _end_access_token(work, digest, client)


def _end_refresh_token(work: Work, digest: bytes, client: Client) -> None:
    check(work.connection, client.generation, issues=False)
    presented = look_up(work.connection, digest)
    if presented is not None and presented.client_id == client.client_id:
        _end_family(work, presented.family_id)


def _end_access_token(work: Work, digest: bytes, client: Client) -> None:
    """End the token, and what it was refreshed with: whoever gives up the one has no use for the other."""
    check(work.connection, client.generation, issues=False)
    row = _owned(work.connection, digest, client)
    if row is None:
        return
    family_id, jti = row
    if family_id is not None:
        _end_family(work, family_id)
    elif revoke_token(work, digest):
        work.connection.execute(
            update(app_tokens)
            .where(app_tokens.c.digest == digest, app_tokens.c.revoked_at.is_(None))
            .values(revoked_at=work.now)
        )
        audit.record(work, "access_token.revoked", audit.Subject("access_token", jti))


def _owned(connection: Connection, digest: bytes, client: Client) -> tuple[str | None, str] | None:
    row = connection.execute(
        select(access_tokens.c.family_id, access_tokens.c.jti).where(
            access_tokens.c.digest == digest, access_tokens.c.client_id == client.client_id
        )
    ).first()
    return None if row is None else (row.family_id, row.jti)


def _end_family(work: Work, family_id: str) -> None:
    if revoke_family(work, family_id, reason="revoked_by_client"):
        audit.record(work, "token_family.revoked", audit.Subject("token_family", family_id))
