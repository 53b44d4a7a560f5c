"""Passkeys (WebAuthn level 3) as a second factor: relying party and origin are those of the configured issuer."""

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, Invalid, NotFound
from roomkey.authorization_server.identity import second_factors, sessions
from roomkey.authorization_server.identity.sessions import Session
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.schema.identity import passkeys
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.jose import base64url

if TYPE_CHECKING:  # imported where they are used: 7 MiB that no service without passkeys needs
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor, UserVerificationRequirement

_MOST: Final = 20  # of one user
_LONGEST_NAME: Final = 64
_LONGEST_ANSWER: Final = 32_768  # characters


@dataclass(frozen=True, slots=True)
class Passkey:
    """A registered passkey; ``id`` is its credential id in base64url, times are in seconds since 1970."""

    id: str
    name: str
    created_at: int
    last_used_at: int | None


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The WebAuthn relying party: its domain and its only origin."""

    id: str
    origin: str


def relying_party(settings: Settings) -> RelyingParty | None:
    """The relying party of the configured issuer; None for an IP address, which WebAuthn does not allow."""
    parts = urlsplit(settings.issuer)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return RelyingParty(host, f"{parts.scheme}://{parts.netloc}") if host else None
    return None


def registration_options(uow: UnitOfWork, user: User, session: Session) -> str:
    """Options for ``navigator.credentials.create`` as JSON, with a single-use challenge of this session."""
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import AuthenticatorSelectionCriteria, ResidentKeyRequirement

    second_factors.demand_own(uow, user)
    party = _party(uow)
    return options_to_json(
        generate_registration_options(
            rp_id=party.id,
            rp_name="roomkey",
            user_name=user.username,
            user_id=user.id.encode(),
            challenge=sessions.new_challenge(uow, session),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED, user_verification=_verification(user)
            ),
            exclude_credentials=_descriptors(uow, user),
        )
    )


def register(uow: UnitOfWork, user: User, session: Session, *, name: str, answer: str) -> User:
    """Register the passkey of a browser's response and revoke every other session; raises Invalid and Conflict."""
    from webauthn import verify_registration_response

    second_factors.demand_own(uow, user)
    party, challenge = _party(uow), sessions.take_challenge(uow, session)
    shown = " ".join(name.split())[:_LONGEST_NAME] or "passkey"
    if not shown.isprintable():
        raise Invalid("The name has characters that cannot be shown.", field="name")
    if user.passkeys >= _MOST:
        raise Conflict("You have 20 passkeys; remove one first.")
    refused = Invalid(
        "The passkey was rejected: it does not answer the challenge of this session. Try again.", field="answer"
    )
    if challenge is None or len(answer) > _LONGEST_ANSWER:
        raise refused
    try:
        verified = verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=user.needs_second_factor,
        )
    except Exception:  # noqa: BLE001 - whatever a parser of others makes of hostile input
        raise refused from None
    try:
        uow.connection.execute(
            insert(passkeys).values(
                credential_id=verified.credential_id,
                user_id=user.id,
                name=shown,
                public_key=verified.credential_public_key,
                sign_count=verified.sign_count,
                created_at=uow.now,
            )
        )
    except IntegrityError:
        raise Conflict("This passkey is registered already.") from None
    return second_factors.changed(uow, user, "user.passkey_registered", keep_session=session.id, name=shown)


def authentication_options(uow: UnitOfWork, user: User, session: Session) -> str:
    """Options for ``navigator.credentials.get`` as JSON, with a single-use challenge of this session."""
    from webauthn import generate_authentication_options, options_to_json

    return options_to_json(
        generate_authentication_options(
            rp_id=_party(uow).id,
            challenge=sessions.new_challenge(uow, session),
            allow_credentials=_descriptors(uow, user),
            user_verification=_verification(user),
        )
    )


def matches(uow: UnitOfWork, user: User, session: Session, answer: str) -> bool:
    """True where ``answer`` is an assertion of one of the user's passkeys for this session's challenge; consumes it."""
    from webauthn import verify_authentication_response
    from webauthn.helpers import parse_authentication_credential_json

    party, challenge = _party(uow), sessions.take_challenge(uow, session)
    if challenge is None or len(answer) > _LONGEST_ANSWER:
        return False
    try:
        credential = parse_authentication_credential_json(answer)
    except Exception:  # noqa: BLE001 - whatever a parser of others makes of hostile input
        return False
    row = uow.connection.execute(
        select(passkeys).where(passkeys.c.credential_id == credential.raw_id, passkeys.c.user_id == user.id)
    ).first()
    if row is None:
        return False
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=bytes(row.public_key),
            credential_current_sign_count=row.sign_count,
            require_user_verification=user.needs_second_factor,
        )
    except Exception:  # noqa: BLE001 - see above
        record_event(uow, "user.passkey_refused", Subject("user", user.id, user.tenant), name=row.name)
        return False
    used = uow.connection.execute(
        update(passkeys)
        .where(passkeys.c.credential_id == row.credential_id, passkeys.c.sign_count == row.sign_count)
        .values(sign_count=verified.new_sign_count, last_used_at=uow.now)
    )
    return used.rowcount == 1


def list_passkeys(uow: UnitOfWork, user: User) -> tuple[Passkey, ...]:
    """The user's passkeys, the oldest first."""
    rows = uow.connection.execute(
        select(passkeys).where(passkeys.c.user_id == user.id).order_by(passkeys.c.created_at, passkeys.c.credential_id)
    )
    return tuple(
        Passkey(base64url.encode(bytes(row.credential_id)).decode(), row.name, row.created_at, row.last_used_at)
        for row in rows
    )


def remove(uow: UnitOfWork, user: User, passkey: str, *, session: str = "") -> User:
    """Remove a passkey of the actor's own and revoke every session but ``session``; raises NotFound and Conflict."""
    second_factors.demand_own(uow, user)
    second_factors.demand_another(user, left=user.passkeys - 1 + int(user.has_totp))
    credential_id = base64url.decode(passkey.encode("utf-8", "replace")) or b""
    removed = uow.connection.execute(
        delete(passkeys).where(passkeys.c.credential_id == credential_id, passkeys.c.user_id == user.id)
    )
    if removed.rowcount != 1:
        raise NotFound("There is no such passkey.")
    return second_factors.changed(uow, user, "user.passkey_removed", keep_session=session)


def _party(uow: UnitOfWork) -> RelyingParty:
    party = relying_party(uow.settings)
    if party is None:
        raise Conflict("Passkeys need a host name: set --issuer to a URL without an IP address.")
    return party


def _verification(user: User) -> "UserVerificationRequirement":
    from webauthn.helpers.structs import UserVerificationRequirement

    return UserVerificationRequirement.REQUIRED if user.needs_second_factor else UserVerificationRequirement.PREFERRED


def _descriptors(uow: UnitOfWork, user: User) -> "list[PublicKeyCredentialDescriptor]":
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    ids = uow.connection.scalars(select(passkeys.c.credential_id).where(passkeys.c.user_id == user.id))
    return [PublicKeyCredentialDescriptor(id=bytes(credential_id)) for credential_id in ids]
