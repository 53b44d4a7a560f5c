"""Tables of the signing keys, and of the keys that APIs report to hold."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, LargeBinary, Table, Text

from roomkey.authorization_server.schema.base import metadata, partial_index

signing_keys: Final = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("private_key", LargeBinary),  # PKCS #8, encrypted; NULL once the key is removed
    Column("created_at", BigInteger, nullable=False),
    Column("published_at", BigInteger, nullable=False),
    Column("activated_at", BigInteger),
    Column("retired_at", BigInteger),
    Column("remove_at", BigInteger),  # when the last token that it signed has expired
    Column("removed_at", BigInteger),
    CheckConstraint("state IN ('next', 'signing', 'retiring', 'removed')", name="state"),
)
for _state in ("next", "signing"):  # two nodes that rotate at once make one key
    partial_index(
        f"uq_signing_keys_{_state}", signing_keys.c.algorithm, where=signing_keys.c.state == _state, unique=True
    )

held_keys: Final = Table(
    "held_keys",
    metadata,
    Column("client_id", Text, primary_key=True),  # the API's account
    Column("kid", Text, primary_key=True),
    Column("reported_at", BigInteger, nullable=False),
)
