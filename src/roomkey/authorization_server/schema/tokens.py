"""Tables of issued tokens: access tokens, app tokens, refresh tokens and their families, authorization codes."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, or_

from roomkey.authorization_server.schema.base import metadata, partial_index

token_families: Final = Table(
    "token_families",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client_id", Text, ForeignKey("service_accounts.client_id"), nullable=False, index=True),
    Column("user_id", Text, ForeignKey("users.id"), index=True),
    Column("audience", Text, ForeignKey("apis.audience"), nullable=False),
    Column("scope", Text, nullable=False),  # as granted at first
    Column("created_at", BigInteger, nullable=False),
    Column("authenticated_at", BigInteger),  # of the sign-in; no refresh changes it
    Column("acr", Text),
    Column("expires_at", BigInteger, nullable=False, index=True),  # the absolute expiry; no rotation moves it
    Column("revoked_at", BigInteger),
    Column("reason", Text, nullable=False, default=""),
)

refresh_tokens: Final = Table(
    "refresh_tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("family_id", Text, ForeignKey("token_families.id"), nullable=False, index=True),
    Column("scope", Text, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),  # the idle expiry
    Column("used_at", BigInteger),
    Column("successor", LargeBinary(32)),  # digest of the token that replaced it
    Column("answer", LargeBinary),  # the response to its use, encrypted with a key derived from the token
    sqlite_with_rowid=False,
)

access_tokens: Final = Table(
    "access_tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),  # see tokens.issue.lookup_digest
    Column("jti", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("user_id", Text),
    Column("audience", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("roles", Text, nullable=False, default=""),
    Column("tenant", Text),
    Column("family_id", Text),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("authenticated_at", BigInteger),
    Column("acr", Text),
    Column("revoked_at", BigInteger),
    sqlite_with_rowid=False,
)
Index("ix_access_tokens_client_id", access_tokens.c.client_id, access_tokens.c.expires_at)
Index("ix_access_tokens_expires_at", access_tokens.c.expires_at)
for _column in (access_tokens.c.user_id, access_tokens.c.family_id):
    partial_index(f"ix_access_tokens_{_column.name}", _column, where=_column.is_not(None))
_revoked: Final = access_tokens.c.revoked_at.is_not(None)  # for the deny list
partial_index("ix_access_tokens_revoked", access_tokens.c.expires_at, where=_revoked)

app_tokens: Final = Table(
    "app_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),  # its row in access_tokens
    Column("status_index", Integer, nullable=False, unique=True),  # its index in the status list
    Column("client_id", Text, ForeignKey("service_accounts.client_id"), nullable=False, index=True),
    Column("audience", Text, ForeignKey("apis.audience"), nullable=False, index=True),
    Column("scope", Text, nullable=False),
    Column("token_format", Text, nullable=False),
    Column("hint", Text, nullable=False),  # its prefix and its last four characters
    Column("owner_id", Text, ForeignKey("users.id"), index=True),
    Column("created_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),  # a rotation may bring it forward
    Column("exp", BigInteger, nullable=False),  # the token's own exp; the status list has it until then
    Column("revoked_at", BigInteger),
    Column("replaced_by", Text),  # the id of its successor after a rotation
    Column("last_used_at", BigInteger),
)
revoked_or_rotated: Final = or_(app_tokens.c.revoked_at.is_not(None), app_tokens.c.expires_at < app_tokens.c.exp)
partial_index("ix_app_tokens_exp", app_tokens.c.exp, where=revoked_or_rotated)

authorization_codes: Final = Table(
    "authorization_codes",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("client_id", Text, ForeignKey("service_accounts.client_id"), nullable=False),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("code_challenge", Text, nullable=False),  # S256 only
    Column("audience", Text, ForeignKey("apis.audience"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("authenticated_at", BigInteger, nullable=False),
    Column("acr", Text, nullable=False, default=""),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("used_at", BigInteger),
    Column("family_id", Text),  # issued at its use, so that reuse can revoke it
)
