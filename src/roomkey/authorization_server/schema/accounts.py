"""Tables of tenants, APIs, service accounts with their secrets and allowed scopes, and requests for app tokens."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from roomkey.authorization_server.schema.base import metadata

tenants: Final = Table(
    "tenants",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
)

service_accounts: Final = Table(
    "service_accounts",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # app, or api: the account by which an API introspects, and nothing else
    Column("description", Text, nullable=False, default=""),
    Column("tenant", Text, ForeignKey("tenants.name"), index=True),
    Column("owner_id", Text, ForeignKey("users.id"), index=True),
    Column("grants", Text, nullable=False, default=""),  # space-separated, as in RFC 7591's grant_types
    Column("authentication", Text, nullable=False),  # client_secret_basic, client_secret_post, private_key_jwt or none
    Column("jwks", Text),  # the public keys of private_key_jwt
    Column("redirect_uris", Text, nullable=False, default=""),  # one a line, compared exactly
    Column("native", Integer, nullable=False, default=0),  # a program on a user's machine: any loopback port
    Column("roles", Text, nullable=False, default=""),
    Column("allows_password_with_mfa", Integer, nullable=False, default=0),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    CheckConstraint("kind IN ('app', 'api')", name="kind"),
)

account_secrets: Final = Table(
    "account_secrets",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),  # SHA-256 of the secret
    Column("client_id", Text, ForeignKey("service_accounts.client_id"), nullable=False, index=True),
    Column("hint", Text, nullable=False),  # its prefix and its last four characters
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
)

apis: Final = Table(
    "apis",
    metadata,
    Column("audience", Text, primary_key=True),
    Column("description", Text, nullable=False, default=""),
    Column("client_id", Text, ForeignKey("service_accounts.client_id"), nullable=False, unique=True),
    Column("tenant", Text, ForeignKey("tenants.name"), index=True),
    Column("token_lifetime", Integer, nullable=False),  # seconds, of access tokens
    Column("longest_app_token", Integer, nullable=False),  # seconds
    Column("token_format", Text, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("needs_approval", Integer, nullable=False, default=0),
    Column("shared_secret", LargeBinary),  # of HS256, encrypted
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    CheckConstraint("token_format IN ('jwt', 'opaque')", name="token_format"),
    CheckConstraint("algorithm IN ('ES256', 'RS256', 'EdDSA', 'HS256')", name="algorithm"),
)

api_scopes: Final = Table(
    "api_scopes",
    metadata,
    Column("audience", Text, ForeignKey("apis.audience"), primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("description", Text, nullable=False, default=""),  # a sentence about what the scope allows
)

account_apis: Final = Table(
    "account_apis",
    metadata,
    Column("client_id", Text, ForeignKey("service_accounts.client_id"), primary_key=True),
    Column("audience", Text, ForeignKey("apis.audience"), primary_key=True, index=True),
    Column("scopes", Text, nullable=False),  # that the account may request, space-separated
    Column("default_scopes", Text, nullable=False, default=""),  # that it gets where it requests none
)

assertion_ids: Final = Table(
    "assertion_ids",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),  # SHA-256 of the assertion's jti
    Column("expires_at", BigInteger, nullable=False, index=True),
)

token_requests: Final = Table(
    "token_requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("client_id", Text, ForeignKey("service_accounts.client_id"), nullable=False, index=True),
    Column("audience", Text, ForeignKey("apis.audience"), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("lifetime", Integer, nullable=False),  # seconds
    Column("token_format", Text, nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("tenant", Text, index=True),
    Column("needed_approval", Integer, nullable=False),  # whether another user's approval was needed
    Column("state", Text, nullable=False),
    Column("requested_by", Text, ForeignKey("users.id"), nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("decided_by", Text, ForeignKey("users.id")),
    Column("decided_at", BigInteger),
    Column("answer", Text, nullable=False, default=""),
    Column("app_token_id", Text),
    CheckConstraint("state IN ('pending', 'approved', 'refused', 'collected', 'withdrawn')", name="state"),
)
Index("ix_token_requests_state", token_requests.c.state, token_requests.c.requested_at)
