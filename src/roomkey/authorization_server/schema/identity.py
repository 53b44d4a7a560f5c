"""Tables of users, their second factors and sessions, set-up links, and failed attempts."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table, Text

from roomkey.authorization_server.schema.base import metadata

users: Final = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("username", Text, nullable=False),  # as it is displayed
    Column("username_key", Text, nullable=False, unique=True),  # as it is compared: look-alikes are equal
    Column("tenant", Text, ForeignKey("tenants.name"), index=True),
    Column("scopes", Text),  # the most that tokens for this user may hold; NULL: no limit
    Column("password_hash", Text),
    Column("password_changed_at", BigInteger),
    Column("totp_seed", LargeBinary),  # encrypted
    Column("totp_pending", LargeBinary),  # encrypted; not confirmed by a first code yet
    Column("totp_confirmed_at", BigInteger),
    Column("totp_step", BigInteger, nullable=False, default=0),  # the last step that was used; only goes forward
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("deleted_at", BigInteger),  # the row stays, for the audit log; the name is free again
    Column("last_seen_at", BigInteger),
)

user_roles: Final = Table(
    "user_roles",
    metadata,
    Column("user_id", Text, ForeignKey("users.id"), primary_key=True),
    Column("role", Text, primary_key=True, index=True),
)

passkeys: Final = Table(
    "passkeys",
    metadata,
    Column("credential_id", LargeBinary, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
)

recovery_codes: Final = Table(
    "recovery_codes",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),  # SHA-256 of the cookie's value
    Column("id", Text, nullable=False, unique=True),  # its name on pages and in the audit log
    Column("user_id", Text, ForeignKey("users.id"), index=True),  # NULL before the sign-in
    Column("stage", Text, nullable=False),  # password, enrolment or full
    Column("acr", Text, nullable=False, default=""),
    Column("challenge", LargeBinary),  # of a passkey ceremony; used once
    Column("notice", LargeBinary),  # shown once by the next page; encrypted
    Column("address", Text, nullable=False, default=""),
    Column("user_agent", Text, nullable=False, default=""),
    Column("created_at", BigInteger, nullable=False),
    Column("authenticated_at", BigInteger),
    Column("password_at", BigInteger),  # when the password was last asked for
    Column("last_seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("revoked_at", BigInteger),
)

setup_links: Final = Table(
    "setup_links",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

attempts: Final = Table(
    "attempts",
    metadata,
    Column("kind", Text, primary_key=True),  # such as password, totp, client_secret
    Column("subject", Text, primary_key=True),  # an account, or an address
    Column("failures", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False, index=True),
    Column("blocked_until", BigInteger, nullable=False, default=0),
)
