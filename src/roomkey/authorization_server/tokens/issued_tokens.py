"""Record of every issued access token, by which introspection and the revocation lists know it."""

from typing import Final

from sqlalchemy import Connection

from roomkey.authorization_server.database.statements import PreparedInsert, Value
from roomkey.authorization_server.schema.tokens import access_tokens
from roomkey.authorization_server.tokens.issue import NewAccessToken

_INSERT: Final = PreparedInsert(access_tokens, [name for name in access_tokens.c.keys() if name != "revoked_at"])


def record_tokens(connection: Connection, *tokens: NewAccessToken) -> None:
    """Record the tokens in one statement; a token that is not recorded is unknown to introspection."""
    if tokens:
        _INSERT.run(connection, [_row(token) for token in tokens])


def _row(token: NewAccessToken) -> tuple[Value, ...]:
    grant = token.grant
    return (
        token.digest,
        token.jti,
        grant.client_id,
        grant.user_id,
        grant.audience,
        " ".join(grant.scope),
        " ".join(grant.roles),
        grant.tenant,
        grant.family_id,
        token.issued_at,
        token.expires_at,
        grant.authenticated_at,
        grant.acr,
    )
