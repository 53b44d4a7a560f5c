"""What signs the tokens of an API: by the algorithm that it was given, or nothing where they are opaque."""

from roomkey.authorization_server.errors import DatabaseUnsuitable
from roomkey.authorization_server.keys.published_keys import KeysInUse
from roomkey.authorization_server.keys.shared_secret import shared_key
from roomkey.authorization_server.sealing import Sealed
from roomkey.jose.signing_key import SharedKey, SigningKey


def signer(
    keys: KeysInUse, sealed: Sealed, *, audience: str, token_format: str, algorithm: str, shared_secret: bytes | None
) -> SigningKey | SharedKey | None:
    """The signer for the API whose row has these values; None where its tokens are opaque.

    Does no I/O but for HS256, which opens the secret (some ten microseconds; may read the key file). Raises
    DatabaseUnsuitable where there is no key: whoever gives an API its algorithm calls ``KeyRoom.ensure``, or
    ``new_shared_secret``.
    """
    if token_format == "opaque":  # noqa: S105 - a format
        return None
    if algorithm == "HS256" and shared_secret is not None:
        return shared_key(sealed, audience, shared_secret)
    if algorithm in keys.signing:
        return keys.signing[algorithm]
    raise DatabaseUnsuitable(
        f"There is no {algorithm} key to sign tokens for {audience} with; set its algorithm again."
    )
