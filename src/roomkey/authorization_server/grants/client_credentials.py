"""The grant of an app that acts for itself (RFC 6749 section 4.4)."""

from collections.abc import Sequence

from sqlalchemy import Connection

from roomkey.authorization_server.clients.client_cache import StaleConfig, compare_config_versions
from roomkey.authorization_server.grants.scope import choose_access, granted_scope, read_scope
from roomkey.authorization_server.grants.token_request import TokenRequest, token_answer
from roomkey.authorization_server.tokens.grant import Grant
from roomkey.authorization_server.tokens.issue import NewAccessToken, create_access_token
from roomkey.authorization_server.tokens.issued_tokens import record_tokens

NAME = "client_credentials"


async def client_credentials(exchange: TokenRequest) -> bytes:
    """The answer with an access token for the client itself; never a refresh token (section 4.4.3)."""
    client, service = exchange.client, exchange.service
    asked = read_scope(exchange.form)
    access = choose_access(client, exchange.form, asked)
    grant = Grant(
        client_id=client.client_id,
        audience=access.api.audience,
        scope=granted_scope(access, asked),
        roles=client.roles,
        tenant=client.tenant,
    )
    minted = create_access_token(
        grant,
        issuer=service.settings.issuer,
        now=service.clock.wall(),
        lifetime=access.api.token_lifetime,
        signer=access.api.signer,
    )

    # A power cut may take the record of such a token; its signature stays good, and the client gets another.
    await service.database.record(_keep, (client.config_version, minted))
    return token_answer(minted)


def _keep(connection: Connection, issued: Sequence[tuple[int, NewAccessToken]]) -> list[StaleConfig | None]:
    """Write down those tokens that were minted by accounts as they still are."""
    outdated = compare_config_versions(connection, (generation for generation, _ in issued))
    record_tokens(connection, *(minted for (_, minted), wrong in zip(issued, outdated, strict=True) if wrong is None))
    return outdated
