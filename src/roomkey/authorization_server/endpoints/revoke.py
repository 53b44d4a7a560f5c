"""``/oauth2/revoke``: token revocation by the client that owns the token (RFC 7009)."""

from collections.abc import Callable

from sqlalchemy import select, update

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.clients.client_cache import require_config_version
from roomkey.authorization_server.schema.tokens import access_tokens, app_tokens
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.issue import lookup_digest
from roomkey.authorization_server.tokens.refresh_tokens import find_refresh_token
from roomkey.authorization_server.tokens.revocation import revoke_family, revoke_token
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import Endpoint
from roomkey.authorization_server.web.request_response import NO_STORE, BufferedRequest, RawResponse


def revocation_endpoint(service: Service, clients: ClientAuthentication, limit: ConcurrencyLimit) -> Endpoint:
    """Return the endpoint as an ASGI application. It answers 200 whether the token exists or not (section 2.2)."""

    async def handle(request: BufferedRequest) -> RawResponse:
        form = request.parse_form()

        async def revoke(client: Client) -> RawResponse:
            act = _revocation(form.required("token"), client)
            if act is not None:
                actor = Actor(ActorKind.SERVICE_ACCOUNT, client.client_id, client.client_id, address=request.address)
                await service.perform(actor, act)
            return RawResponse(200, b"", (NO_STORE,))

        return await clients.serve(request, form, limit, revoke)

    return Endpoint(handle, methods=frozenset({"POST"}))


def _revocation(token: str, client: Client) -> Callable[[UnitOfWork], None] | None:
    """Return the act that revokes ``token``; None where it has not the form of this service's tokens."""
    if secret_format.is_well_formed(token, secret_format.SecretKind.REFRESH_TOKEN):
        return lambda uow: _revoke_refresh_token(uow, secret_format.digest_of(token), client)
    digest = lookup_digest(token)
    return None if digest is None else lambda uow: _revoke_access_token(uow, digest, client)


def _revoke_refresh_token(uow: UnitOfWork, digest: bytes, client: Client) -> None:
    require_config_version(uow.connection, client.config_version, issues=False)
    stored = find_refresh_token(uow.connection, digest)
    if stored is not None and stored.client_id == client.client_id:
        _revoke_family(uow, stored.family_id)


def _revoke_access_token(uow: UnitOfWork, digest: bytes, client: Client) -> None:
    """Revoke the token, and with it the refresh token of its family, of which the client has no more use."""
    require_config_version(uow.connection, client.config_version, issues=False)
    row = uow.connection.execute(
        select(access_tokens.c.family_id, access_tokens.c.jti).where(
            access_tokens.c.digest == digest, access_tokens.c.client_id == client.client_id
        )
    ).first()
    if row is None:
        return
    if row.family_id is not None:
        _revoke_family(uow, row.family_id)
    elif revoke_token(uow, digest):
        uow.connection.execute(
            update(app_tokens)
            .where(app_tokens.c.digest == digest, app_tokens.c.revoked_at.is_(None))
            .values(revoked_at=uow.now)
        )
        record_event(uow, "access_token.revoked", Subject("access_token", row.jti))


def _revoke_family(uow: UnitOfWork, family_id: str) -> None:
    if revoke_family(uow, family_id, reason="revoked_by_client"):
        record_event(uow, "token_family.revoked", Subject("token_family", family_id))
