"""Creation of a signing key pair (RFC 7518), kept with its private half encrypted."""

import json
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import insert, select

from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.column_encryption import PRIVATE_KEY
from roomkey.authorization_server.keys.key_record import KeyState, lock_algorithms
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id
from roomkey.jose.signing_key import public_jwk

if TYPE_CHECKING:
    from roomkey.jose.signing_key import PrivateKey

ALGORITHMS: Final = ("ES256", "RS256", "EdDSA")


def add_key(uow: UnitOfWork, algorithm: str, state: KeyState) -> str:
    """Create a key pair for ``algorithm``, publish it in ``state``, NEXT or SIGNING, and return its ``kid``.

    RSA (3072 bits) takes about a tenth of a second. Raises sqlalchemy's IntegrityError where the algorithm has a key
    in that state.
    """
    private = _generate(algorithm)
    kid = new_id("key")
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    uow.connection.execute(
        insert(signing_keys).values(
            kid=kid,
            algorithm=algorithm,
            state=state,
            public_jwk=json.dumps(public_jwk(private) | {"kid": kid, "use": "sig", "alg": algorithm}),
            private_key=PRIVATE_KEY.encrypt(uow.keyring, der, row=kid),
            created_at=uow.now,
            published_at=uow.now,
            activated_at=uow.now if state is KeyState.SIGNING else None,
        )
    )
    record_event(uow, "key.created", Subject("key", kid), algorithm=algorithm, state=state)
    uow.bump_config_version()
    return kid


def ensure_signing_key(uow: UnitOfWork, algorithm: str) -> None:
    """Create the first key of ``algorithm`` if there is none; it signs at once, as no validator knows an older one."""
    if not _signs(uow, algorithm):
        lock_algorithms(uow, [algorithm])
        if not _signs(uow, algorithm):
            add_key(uow, algorithm, KeyState.SIGNING)


def _signs(uow: UnitOfWork, algorithm: str) -> bool:
    signing = select(signing_keys.c.kid).where(
        signing_keys.c.algorithm == algorithm, signing_keys.c.state == KeyState.SIGNING
    )
    return uow.connection.scalar(signing) is not None


def _generate(algorithm: str) -> "PrivateKey":
    if algorithm == "RS256":
        return rsa.generate_private_key(65537, 3072)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1())
