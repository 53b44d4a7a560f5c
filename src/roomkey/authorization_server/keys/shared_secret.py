"""The secret that the service shares with one API whose tokens it signs by HS256; sealed, and never published."""

from sqlalchemy import update

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.column_encryption import SHARED_SECRET
from roomkey.authorization_server.errors import NotFound
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import apis
from roomkey.authorization_server.sealing import Sealed
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.jose.signing_key import SharedKey
from roomkey.secret import Secret


def new_shared_secret(uow: UnitOfWork, audience: str) -> Secret:
    """Make the secret of the API ``audience``, in place of the one that it had, and return it; to be shown once.

    The bytes of this text are the HMAC key: ``KeySet.static(Secret(…))`` takes it as it is. Tokens that were signed
    with the former one are refused as soon as the API uses this one. Raises NotFound, and NotAllowed.
    """
    uow.demand(Permission.CHANGE_APIS)
    api = uow.connection.execute(apis.select().where(apis.c.audience == audience)).first()
    if api is None or not uow.actor.sees(api.tenant):
        raise NotFound(f"There is no API {audience}.")
    made = secret_format.new(secret_format.Kind.SHARED_SECRET)
    sealed = SHARED_SECRET.seal(uow.sealed, made.value.encode(), row=audience)
    uow.connection.execute(update(apis).where(apis.c.audience == audience).values(shared_secret=sealed))
    record_event(uow, "api.shared_secret_made", Subject("api", audience, api.tenant), hint=made.hint)
    uow.bump_config_version()
    return Secret(made.value)


def shared_key(sealed: Sealed, audience: str, value: bytes) -> SharedKey:
    """What signs for the API ``audience``, from the ``value`` of its ``shared_secret`` column.

    Raises DatabaseUnsuitable where it does not open; may read the key file.
    """
    return SharedKey(SHARED_SECRET.open(sealed, value, row=audience))
