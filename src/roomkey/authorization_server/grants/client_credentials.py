"""The client credentials grant: a token for the client itself (RFC 6749 section 4.4)."""

from collections.abc import Sequence

from sqlalchemy import Connection

from roomkey.authorization_server.clients.client_cache import StaleConfig, compare_config_versions
from roomkey.authorization_server.grants.scope import choose_access, granted_scope, read_scope
from roomkey.authorization_server.grants.token_request import TokenRequest, token_response
from roomkey.authorization_server.tokens.issue import NewAccessToken, TokenGrant
from roomkey.authorization_server.tokens.issued_tokens import record_tokens

NAME = "client_credentials"


async def client_credentials(request: TokenRequest) -> bytes:
    """Return the response with an access token; never a refresh token (section 4.4.3)."""
    client, service = request.client, request.service
    scope = read_scope(request.form)
    access = choose_access(client, request.form, scope)
    grant = TokenGrant(
        client_id=client.client_id,
        audience=access.api.audience,
        scope=granted_scope(access, scope),
        roles=client.roles,
        tenant=client.tenant,
    )
    token = access.api.create_token(grant, issuer=service.settings.issuer, now=service.clock.wall())

    # A power cut may lose the record of such a token; its signature stays valid, and the client gets another.
    await service.database.record(_record, (client.config_version, token))
    return token_response(token)


def _record(connection: Connection, issued: Sequence[tuple[int, NewAccessToken]]) -> list[StaleConfig | None]:
    """Record those tokens whose clients have not changed since."""
    stale = compare_config_versions(connection, (version for version, _ in issued))
    record_tokens(connection, *(token for (_, token), error in zip(issued, stale, strict=True) if error is None))
    return stale
