"""Tables of the audit log, and of what a database has once: counters, facts, the check of its encryption key."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text

from roomkey.authorization_server.schema.base import metadata

audit_events: Final = Table(
    "audit_events",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),  # console, user:…, service_account:… or service
    Column("action", Text, nullable=False),  # such as app_token.revoked
    Column("subject_kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("tenant", Text),
    Column("address", Text, nullable=False, default=""),
    Column("details", Text, nullable=False, default="{}"),  # JSON: what was before and after, without secrets
    Column("previous", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)
Index("ix_audit_events_subject", audit_events.c.subject_kind, audit_events.c.subject)
Index("ix_audit_events_actor", audit_events.c.actor)

counters: Final = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),  # "changes" is the config version: see UnitOfWork.bump_config_version
    Column("value", BigInteger, nullable=False),
)

facts: Final = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),  # "issuer" is the issuer that the service last had
    Column("value", Text, nullable=False),
)

seals: Final = Table(
    "seals",
    metadata,
    Column("name", Text, primary_key=True),  # "check" proves at start that the keyring has the right keys
    Column("sealed", LargeBinary, nullable=False),
)
