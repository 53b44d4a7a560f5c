"""The keys in use, remembered between requests: which one signs, and which ones validators find (RFC 7517)."""

import json
from collections.abc import Mapping
from typing import Any, cast

from cryptography.hazmat.primitives.serialization import load_der_private_key
from sqlalchemy import select

from roomkey.authorization_server.column_encryption import PRIVATE_KEY
from roomkey.authorization_server.keys.key_record import KeyState, take_turn
from roomkey.authorization_server.keys.new_key import add_key
from roomkey.authorization_server.schema.keys import signing_keys
from roomkey.authorization_server.unit_of_work import UnitOfWork, changes
from roomkey.jose.jwks.key_set import KeySet
from roomkey.jose.signing_key import PrivateKey, SigningKey
from roomkey.secret import Confidential


class KeysInUse(Confidential):
    """The keys at one moment. Immutable; safe in any thread.

    Attributes:
        generation: the mark of changes that they are true for.
        signing: the key that signs, by algorithm.
        published: what stands in the JWK set, in the order of their making.
    """

    __slots__ = ("generation", "published", "signing")

    def __init__(
        self, generation: int, signing: Mapping[str, SigningKey], published: tuple[Mapping[str, Any], ...]
    ) -> None:
        self.generation = generation
        self.signing = signing
        self.published = published

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that the service signs with by published keys, for its metadata."""
        return tuple(sorted(self.signing))

    def verifying(self) -> KeySet:
        """The published keys, ready to verify the service's own tokens with."""
        return KeySet.static({"keys": [dict(jwk) for jwk in self.published]})

    def __repr__(self) -> str:
        return f"KeysInUse({', '.join(self.signing)}; {len(self.published)} published)"


class PublishedSigningKeys:
    """Remembers the keys in use until something changes. Safe in any thread."""

    def __init__(self) -> None:
        self._held: KeysInUse | None = None

    def held(self, generation: int) -> KeysInUse | None:
        """The keys, where they are remembered and still true. No I/O."""
        held = self._held
        return held if held is not None and held.generation == generation else None

    def load(self, uow: UnitOfWork) -> KeysInUse:
        """The keys as they are in the transaction of ``uow``; reads and opens them where they are not remembered."""
        generation = changes(uow.connection)
        held = self.held(generation)
        if held is None:
            held = self._held = _read(uow, generation)
        return held

    def ensure(self, uow: UnitOfWork, algorithm: str) -> None:
        """Make the first key for ``algorithm`` where there is none; it signs at once, as no token was signed before."""
        if not _signs(uow, algorithm):
            take_turn(uow, [algorithm])
            if not _signs(uow, algorithm):
                add_key(uow, algorithm, KeyState.SIGNING)


def _signs(uow: UnitOfWork, algorithm: str) -> bool:
    signing = select(signing_keys.c.kid).where(
        signing_keys.c.algorithm == algorithm, signing_keys.c.state == KeyState.SIGNING
    )
    return uow.connection.scalar(signing) is not None


def _read(uow: UnitOfWork, generation: int) -> KeysInUse:
    rows = uow.connection.execute(
        select(signing_keys)
        .where(signing_keys.c.state != KeyState.REMOVED)
        .order_by(signing_keys.c.created_at, signing_keys.c.kid)
    ).all()
    signing = {
        row.algorithm: SigningKey(
            cast(
                "PrivateKey",
                load_der_private_key(PRIVATE_KEY.open(uow.sealed, row.private_key, row=row.kid), password=None),
            ),
            algorithm=row.algorithm,
            key_id=row.kid,
        )
        for row in rows
        if row.state == KeyState.SIGNING
    }
    return KeysInUse(generation, signing, tuple(json.loads(row.public_jwk) for row in rows))
