"""The keys in use, remembered between requests: which one signs, and which ones validators find (RFC 7517)."""

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from cryptography.hazmat.primitives.serialization import load_der_private_key
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from roomkey.authorization_server import audit
from roomkey.authorization_server.keys.new_key import new_key
from roomkey.authorization_server.schema.keys import signing_keys
from roomkey.authorization_server.work import Work, changes
from roomkey.jose.key_set import KeySet
from roomkey.jose.signing_key import PrivateKey, SigningKey
from roomkey.secret import Confidential

PURPOSE: Final = "signing"


class KeysInUse(Confidential):
    """The keys at one moment. Immutable; safe in any thread.

    Attributes:
        generation: the number of changes that they are true for.
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

    def verifying(self) -> KeySet:
        """The published keys, ready to verify the service's own tokens with."""
        return KeySet.static({"keys": [dict(jwk) for jwk in self.published]})

    def __repr__(self) -> str:
        return f"KeysInUse({', '.join(self.signing)}; {len(self.published)} published)"


class KeyRoom:
    """Remembers the keys in use until something changes. Safe in any thread."""

    def __init__(self) -> None:
        self._held: KeysInUse | None = None

    def held(self, generation: int) -> KeysInUse | None:
        """The keys, where they are remembered and still true. No I/O."""
        held = self._held
        return held if held is not None and held.generation == generation else None

    def load(self, work: Work) -> KeysInUse:
        """The keys as they are in the transaction of ``work``; reads and opens them where they are not remembered."""
        generation = changes(work.connection)
        held = self.held(generation)
        if held is None:
            held = self._held = _read(work, generation)
        return held

    def ensure(self, work: Work, algorithm: str) -> None:
        """Make the first key for ``algorithm`` where there is none; it signs at once, as no token was signed before."""
        exists = select(signing_keys.c.kid).where(
            signing_keys.c.algorithm == algorithm, signing_keys.c.state == "signing"
        )
        if work.connection.scalar(exists) is not None:
            return
        made = new_key(algorithm)
        try:
            with work.connection.begin_nested():
                work.connection.execute(
                    insert(signing_keys).values(
                        kid=made.kid,
                        algorithm=algorithm,
                        state="signing",
                        public_jwk=json.dumps(made.jwk),
                        private_key=work.sealed.seal(made.private.der, **_place(made.kid)),
                        created_at=work.now,
                        published_at=work.now,
                        activated_at=work.now,
                    )
                )
        except IntegrityError:
            return  # another node was first
        audit.record(work, "key.created", audit.Subject("key", made.kid), algorithm=algorithm, state="signing")
        work.changed()


def _read(work: Work, generation: int) -> KeysInUse:
    rows = work.connection.execute(
        select(signing_keys).where(signing_keys.c.state != "removed").order_by(signing_keys.c.created_at)
    ).all()
    signing = {
        row.algorithm: SigningKey(
            cast(
                "PrivateKey",
                load_der_private_key(work.sealed.open(bytes(row.private_key), **_place(row.kid)), password=None),
            ),
            algorithm=row.algorithm,
            key_id=row.kid,
        )
        for row in rows
        if row.state == "signing"
    }
    return KeysInUse(generation, signing, tuple(json.loads(row.public_jwk) for row in rows))


def _place(kid: str) -> dict[str, str]:
    return {"table": "signing_keys", "column": "private_key", "row": kid, "purpose": PURPOSE}
