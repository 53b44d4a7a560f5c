"""Key publication: the signing keys in use, and the public keys that stand in the JWK set (RFC 7517), cached."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from cryptography.hazmat.primitives.serialization import load_der_private_key
from sqlalchemy import select

from roomkey.authorization_server.column_encryption import PRIVATE_KEY
from roomkey.authorization_server.keys.key_record import KeyState
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.authorization_server.unit_of_work import UnitOfWork, config_version
from roomkey.jose.jwks.key_set import KeySet
from roomkey.jose.signing_key import PrivateKey, SigningKey
from roomkey.secret import Confidential


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SigningKeys(Confidential):
    """The keys of one config version. Immutable; safe in any thread.

    Attributes:
        config_version: the version of the configuration that they were read at.
        signing: the key that signs, by algorithm.
        published: the public keys in the JWK set, in the order of their creation.
    """

    config_version: int
    signing: Mapping[str, SigningKey]
    published: tuple[Mapping[str, Any], ...]

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that the service signs with by published keys, for its metadata."""
        return tuple(sorted(self.signing))

    def verifying(self) -> KeySet:
        """Return the published keys as a key set that verifies the service's own tokens."""
        return KeySet.static({"keys": [dict(jwk) for jwk in self.published]})

    def __repr__(self) -> str:
        return f"SigningKeys({', '.join(self.signing)}; {len(self.published)} published)"


class SigningKeyCache:
    """Keeps the keys in use until the config version changes. Safe in any thread."""

    def __init__(self) -> None:
        self._cached: SigningKeys | None = None

    def cached(self, version: int) -> SigningKeys | None:
        """Return the cached keys if they are of the config version ``version``. No I/O."""
        cached = self._cached
        return cached if cached is not None and cached.config_version == version else None

    def load(self, uow: UnitOfWork) -> SigningKeys:
        """Return the keys as the transaction of ``uow`` sees them; read and decrypted only where they changed."""
        keys = self.cached(config_version(uow.connection))
        if keys is None:
            keys = self._cached = read_signing_keys(uow)
        return keys


def read_signing_keys(uow: UnitOfWork) -> SigningKeys:
    """Read all keys that are in use and decrypt those that sign; some milliseconds where one is RSA."""
    version = config_version(uow.connection)  # before the rows: a change meanwhile must not go under the new version
    rows = uow.connection.execute(
        select(signing_keys)
        .where(signing_keys.c.state != KeyState.REMOVED)
        .order_by(signing_keys.c.created_at, signing_keys.c.kid)
    ).all()
    signing = {}
    for row in rows:
        if row.state == KeyState.SIGNING:
            der = PRIVATE_KEY.decrypt(uow.keyring, row.private_key, row=row.kid)
            private = cast("PrivateKey", load_der_private_key(der, password=None))
            signing[row.algorithm] = SigningKey(private, algorithm=row.algorithm, key_id=row.kid)
    return SigningKeys(version, signing, tuple(json.loads(row.public_jwk) for row in rows))
