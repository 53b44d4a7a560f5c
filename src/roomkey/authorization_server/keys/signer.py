"""Signers of an API's tokens: the service's key pair, or the secret that it shares with the API (HMAC, HS256)."""

from sqlalchemy import update

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.column_encryption import SHARED_SECRET
from roomkey.authorization_server.errors import DatabaseUnsuitable, NotFound
from roomkey.authorization_server.keys.published_keys import SigningKeys
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import apis
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.jose.signing_key import HMACKey, SigningKey
from roomkey.secret import Secret
from roomkey.stores.keyring import Keyring


def signer(
    keys: SigningKeys,
    keyring: Keyring,
    *,
    audience: str,
    token_format: str,
    algorithm: str,
    shared_secret: bytes | None,
) -> SigningKey | HMACKey | None:
    """Return what signs for the API whose row has these values; None where its tokens are opaque.

    No I/O, except that HS256 decrypts the secret (some ten microseconds; may read the key file). Raises
    DatabaseUnsuitable where there is no key: setting an API's algorithm calls ``ensure_signing_key`` or
    ``new_shared_secret``.
    """
    if token_format == "opaque":  # noqa: S105 - a format
        return None
    if algorithm == "HS256" and shared_secret is not None:
        return shared_key(keyring, audience, shared_secret)
    if algorithm in keys.signing:
        return keys.signing[algorithm]
    raise DatabaseUnsuitable(
        f"There is no {algorithm} key to sign tokens for {audience} with; set its algorithm again."
    )


def shared_key(keyring: Keyring, audience: str, value: bytes) -> HMACKey:
    """Return the HMAC key of the API ``audience``, from the ``value`` of its ``shared_secret`` column.

    Raises DatabaseUnsuitable where it does not decrypt; may read the key file.
    """
    return HMACKey(SHARED_SECRET.decrypt(keyring, value, row=audience))


def new_shared_secret(uow: UnitOfWork, audience: str) -> Secret:
    """Create the API's shared secret, in place of the one that it had, and return it; it is shown once.

    The characters of this string are the HMAC key: ``KeySet.static(Secret(…))`` takes it as it is. Tokens signed with
    the previous secret are rejected as soon as the API uses this one. Raises NotFound and NotAllowed.
    """
    uow.demand(Permission.CHANGE_APIS)
    api = uow.connection.execute(apis.select().where(apis.c.audience == audience)).first()
    if api is None or not uow.actor.sees(api.tenant):
        raise NotFound(f"There is no API {audience}.")
    secret = secret_format.generate_secret(secret_format.SecretKind.SHARED_SECRET)
    encrypted = SHARED_SECRET.encrypt(uow.keyring, secret.value.encode(), row=audience)
    uow.connection.execute(update(apis).where(apis.c.audience == audience).values(shared_secret=encrypted))
    record_event(uow, "api.shared_secret_made", Subject("api", audience, api.tenant), hint=secret.hint)
    uow.bump_config_version()
    return Secret(secret.value)
