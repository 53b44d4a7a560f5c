"""A new key pair for an algorithm, in the forms that it is kept in (RFC 7518)."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import insert

from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.column_encryption import PRIVATE_KEY
from roomkey.authorization_server.keys.key_record import KeyState
from roomkey.authorization_server.schema.keys import signing_keys
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id
from roomkey.jose.signing_key import public_jwk
from roomkey.secret import Confidential

if TYPE_CHECKING:
    from roomkey.jose.signing_key import PrivateKey

ALGORITHMS: Final = ("ES256", "RS256", "EdDSA")


class PrivateBytes(Confidential):
    """A private key in PKCS #8; its repr shows nothing of it."""

    __slots__ = ("der",)

    def __init__(self, der: bytes) -> None:
        self.der = der

    def __repr__(self) -> str:
        return "PrivateBytes(…)"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key pair that nobody has seen yet; ``jwk`` is what will be published of it."""

    kid: str
    algorithm: str
    private: PrivateBytes
    jwk: dict[str, Any]


def new_key(algorithm: str) -> NewKey:
    """A new pair for ES256, RS256 (3072 bits) or EdDSA; RSA takes about a tenth of a second."""
    private: PrivateKey
    if algorithm == "RS256":
        private = rsa.generate_private_key(65537, 3072)
    elif algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        private = ec.generate_private_key(ec.SECP256R1())
    kid = new_id("key")
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    jwk = public_jwk(private) | {"kid": kid, "use": "sig", "alg": algorithm}
    return NewKey(kid, algorithm, PrivateBytes(der), jwk)


def add_key(uow: UnitOfWork, algorithm: str, state: KeyState) -> str:
    """Make a key for ``algorithm``, publish it in ``state``, NEXT or SIGNING, and return its ``kid``.

    Raises sqlalchemy's IntegrityError where the algorithm has a key in that state.
    """
    made = new_key(algorithm)
    uow.connection.execute(
        insert(signing_keys).values(
            kid=made.kid,
            algorithm=algorithm,
            state=state,
            public_jwk=json.dumps(made.jwk),
            private_key=PRIVATE_KEY.seal(uow.sealed, made.private.der, row=made.kid),
            created_at=uow.now,
            published_at=uow.now,
            activated_at=uow.now if state is KeyState.SIGNING else None,
        )
    )
    record_event(uow, "key.created", Subject("key", made.kid), algorithm=algorithm, state=state)
    uow.bump_config_version()
    return made.kid
