"""Explanation of a token: its validation, check by check, in sentences; nothing of it is stored or logged."""

import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.keys.key_record import KeyState, read_keys
from roomkey.authorization_server.keys.published_keys import read_signing_keys
from roomkey.authorization_server.keys.signer import shared_key
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import apis, service_accounts
from roomkey.authorization_server.schema.identity import users
from roomkey.authorization_server.schema.tokens import access_tokens
from roomkey.authorization_server.tokens.issue import lookup_digest
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.errors import InvalidToken
from roomkey.jose.compact import Compact, read_compact, read_unverified
from roomkey.jose.verification_key import check_signature

_TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
_OPAQUE: Final = {
    secret_format.SecretKind.CLIENT_SECRET: "a client secret",
    secret_format.SecretKind.REFRESH_TOKEN: "a refresh token",
    secret_format.SecretKind.AUTHORIZATION_CODE: "an authorization code",
    secret_format.SecretKind.SESSION: "a session of this backoffice",
    secret_format.SecretKind.SETUP: "a set-up link",
}


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """One check: its name, its outcome, ``passed`` or ``failed``, and a sentence."""

    name: str
    outcome: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The result of all checks.

    Attributes:
        active: whether the token is valid here and now.
        verdict: the result in a sentence.
        checks: the checks in their order; after one that failed, no other is made.
        header, claims: of a JWT, verified or not.
    """

    active: bool
    verdict: str
    checks: tuple[TokenCheck, ...]
    header: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    claims: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def explain(uow: UnitOfWork, token: str) -> Explanation:
    """Check ``token``, an access token in either format. Raises NotAllowed.

    A token of another tenant is reported as unknown. Reads only; a signature takes a millisecond at most.
    """
    uow.demand(Permission.READ)
    checks = []
    for check in _checks(uow, token):
        checks.append(check)
        if check.outcome == "failed":
            break
    active = checks[-1].outcome == "passed"
    verdict = "This token is valid." if active else checks[-1].text
    unverified = read_unverified(token)
    if unverified is None:
        return Explanation(active, verdict, tuple(checks))
    return Explanation(active, verdict, tuple(checks), _members(unverified.header), _members(unverified.claims))


def _checks(uow: UnitOfWork, token: str) -> Iterator[TokenCheck]:
    if token.startswith("rk"):
        yield _well_formed(token)
    else:
        try:
            compact = read_compact(token)
        except InvalidToken as error:
            yield TokenCheck("Form", "failed", str(error))
            return
        yield TokenCheck("Form", "passed", "A JWT of three parts.")
        yield from _signed(uow, compact, token)
    yield from _recorded(uow, token)


def _well_formed(token: str) -> TokenCheck:
    if secret_format.is_well_formed(token, secret_format.SecretKind.ACCESS_TOKEN):
        return TokenCheck("Form", "passed", "An opaque token of this service; its checksum is right.")
    for kind, name in _OPAQUE.items():
        if secret_format.is_well_formed(token, kind):
            return TokenCheck("Form", "failed", f"This is {name}, not an access token; treat it as leaked.")
    return TokenCheck(
        "Form", "failed", "It looks like a secret of this service, but its checksum is wrong; is it whole?"
    )


def _signed(uow: UnitOfWork, compact: Compact, token: str) -> Iterator[TokenCheck]:
    header = compact.header
    is_access_token = (header.typ or "").lower() in _TYPES
    yield _check("Type", is_access_token, f"{header.typ}, an access token.", f"Its type is {header.typ}, not at+jwt.")
    unverified = read_unverified(token)
    issuer = "" if unverified is None else unverified.claims.get("iss")
    own = uow.settings.issuer
    yield _check("Issuer", issuer == own, f"{own}, this service.", f"It was issued by {issuer}, not by {own}.")
    if header.kid is None and header.algorithm == "HS256" and unverified is not None:
        yield _shared(uow, compact, str(unverified.claims.get("aud")))
        return
    key = next((key for key in read_keys(uow, removed=True) if key.kid == header.kid), None)
    if key is None:
        yield TokenCheck("Key", "failed", f"This service has no key {header.kid}.")
        return
    removed = f"The key {key.kid} was removed: validators reject its tokens."
    yield _check("Key", key.state is not KeyState.REMOVED, f"{key.kid}, which is {key.state.value}.", removed)
    try:
        check_signature(compact, read_signing_keys(uow).verifying().find(header))
    except InvalidToken as error:
        yield TokenCheck("Signature", "failed", str(error))
    else:
        yield TokenCheck("Signature", "passed", f"{header.algorithm}, by that key.")


def _shared(uow: UnitOfWork, compact: Compact, audience: str) -> TokenCheck:
    api = uow.connection.execute(select(apis).where(apis.c.audience == audience)).first()
    visible = api is not None and (api.tenant is None or uow.actor.sees(api.tenant))
    if api is None or api.shared_secret is None or not visible:
        return TokenCheck("Key", "failed", "It is signed by a shared secret that this service does not have.")
    valid = hmac.compare_digest(
        shared_key(uow.keyring, audience, bytes(api.shared_secret)).signature(compact.signed), compact.signature
    )
    return _check("Signature", valid, f"HS256, by the secret that {audience} shares.", "Its signature is wrong.")


def _recorded(uow: UnitOfWork, token: str) -> Iterator[TokenCheck]:
    digest = lookup_digest(token)
    row = uow.connection.execute(select(access_tokens).where(access_tokens.c.digest == digest)).first()
    if digest is None or row is None or not uow.actor.sees(row.tenant):
        yield TokenCheck("Record", "failed", "This service has not issued it, or its record is deleted: it expired.")
        return
    yield TokenCheck("Record", "passed", f"Issued here to {row.client_id} for {row.audience}.")
    yield _check("Time", row.expires_at > uow.now, "It has not expired.", "It has expired.")
    yield _check("Revocation", row.revoked_at is None, "It was not revoked.", "It was revoked.")
    for name, table, key, value in (
        ("API", apis, apis.c.audience, row.audience),
        ("Account", service_accounts, service_accounts.c.client_id, row.client_id),
        ("User", users, users.c.id, row.user_id),
    ):
        if value is not None:
            disabled = uow.connection.scalar(select(table.c.disabled_at).where(key == value))
            yield _check(name, disabled is None, f"{value} is enabled.", f"{value} is disabled.")


def _check(name: str, valid: bool, passed: str, failed: str) -> TokenCheck:  # noqa: FBT001 - the check's result
    return TokenCheck(name, "passed" if valid else "failed", passed if valid else failed)


def _members(members: Any) -> tuple[tuple[str, str], ...]:
    return tuple(
        (str(name), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in members.items()
    )
