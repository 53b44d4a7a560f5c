"""What a token is and whether it counts, step by step, for somebody who holds it; nothing of it is kept or logged."""

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
    """One step: what was looked at, whether it ``passed`` or ``failed``, and a sentence."""

    name: str
    outcome: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is to be said of a token.

    Attributes:
        active: whether it counts here and now.
        verdict: the whole in a sentence.
        checks: the steps in their order; after one that failed, no other is taken.
        header, claims: what a JWT says, whether it is true or not.
    """

    active: bool
    verdict: str
    checks: tuple[TokenCheck, ...]
    header: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    claims: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def explain(uow: UnitOfWork, token: str) -> Explanation:
    """Everything that the service can say of ``token``, an access token in either format. Raises NotAllowed.

    What belongs to another tenant is as unknown as junk. Reads only; checking a signature takes a millisecond at most.
    """
    uow.demand(Permission.READ)
    checks = []
    for check in _checks(uow, token):
        checks.append(check)
        if check.outcome == "failed":
            break
    active = checks[-1].outcome == "passed"
    verdict = "This token is valid." if active else checks[-1].text
    told = read_unverified(token)
    if told is None:
        return Explanation(active, verdict, tuple(checks))
    return Explanation(active, verdict, tuple(checks), _members(told.header), _members(told.claims))


def _checks(uow: UnitOfWork, token: str) -> Iterator[TokenCheck]:
    if token.startswith("rk"):
        yield _whole(token)
    else:
        try:
            compact = read_compact(token)
        except InvalidToken as refused:
            yield TokenCheck("Form", "failed", str(refused))
            return
        yield TokenCheck("Form", "passed", "A JWT of three parts.")
        yield from _signed(uow, compact, token)
    yield from _known(uow, token)


def _whole(token: str) -> TokenCheck:
    if secret_format.is_well_formed(token, secret_format.SecretKind.ACCESS_TOKEN):
        return TokenCheck("Form", "passed", "An opaque token of this service; its checksum is right.")
    for kind, words in _OPAQUE.items():
        if secret_format.is_well_formed(token, kind):
            text = f"This is {words}, no access token. Whoever sees it can use it: treat it as leaked."
            return TokenCheck("Form", "failed", text)
    return TokenCheck(
        "Form", "failed", "It looks like a secret of this service, but its checksum is wrong; is it whole?"
    )


def _signed(uow: UnitOfWork, compact: Compact, token: str) -> Iterator[TokenCheck]:
    header = compact.header
    right = (header.typ or "").lower() in _TYPES
    yield _told("Type", right, f"{header.typ}, an access token.", f"Its type is {header.typ}, not at+jwt.")
    told = read_unverified(token)
    issuer = "" if told is None else told.claims.get("iss")
    mine = uow.settings.issuer
    yield _told("Issuer", issuer == mine, f"{mine}, this service.", f"It was issued by {issuer}, not by {mine}.")
    if header.kid is None and header.algorithm == "HS256" and told is not None:
        yield _shared(uow, compact, str(told.claims.get("aud")))
        return
    key = next((key for key in read_keys(uow, removed=True) if key.kid == header.kid), None)
    if key is None:
        yield TokenCheck("Key", "failed", f"This service has no key {header.kid}.")
        return
    gone = f"The key {key.kid} was withdrawn or has left: no validator knows it any more."
    yield _told("Key", key.state is not KeyState.REMOVED, f"{key.kid}, which is {key.state.value}.", gone)
    try:
        check_signature(compact, read_signing_keys(uow).verifying().find(header))
    except InvalidToken as refused:
        yield TokenCheck("Signature", "failed", str(refused))
    else:
        yield TokenCheck("Signature", "passed", f"{header.algorithm}, by that key.")


def _shared(uow: UnitOfWork, compact: Compact, audience: str) -> TokenCheck:
    api = uow.connection.execute(select(apis).where(apis.c.audience == audience)).first()
    if api is None or api.shared_secret is None or not _visible(uow, api.tenant):
        return TokenCheck("Key", "failed", "It is signed by a shared secret that this service does not have.")
    right = hmac.compare_digest(
        shared_key(uow.keyring, audience, bytes(api.shared_secret)).signature(compact.signed), compact.signature
    )
    return _told("Signature", right, f"HS256, by the secret that {audience} shares.", "Its signature is wrong.")


def _known(uow: UnitOfWork, token: str) -> Iterator[TokenCheck]:
    place = lookup_digest(token)
    row = uow.connection.execute(select(access_tokens).where(access_tokens.c.digest == place)).first()
    if place is None or row is None or not uow.actor.sees(row.tenant):
        yield TokenCheck("Ledger", "failed", "This service has not issued it, or has forgotten it since it ended.")
        return
    yield TokenCheck("Ledger", "passed", f"Issued here to {row.client_id} for {row.audience}.")
    yield _told("Time", row.expires_at > uow.now, "It has not ended.", "It has ended.")
    yield _told("Revocation", row.revoked_at is None, "Nobody has revoked it.", "It was revoked.")
    for name, table, key, value in (
        ("API", apis, apis.c.audience, row.audience),
        ("Account", service_accounts, service_accounts.c.client_id, row.client_id),
        ("Person", users, users.c.id, row.user_id),
    ):
        if value is not None:
            disabled = uow.connection.scalar(select(table.c.disabled_at).where(key == value))
            yield _told(name, disabled is None, "In use.", f"The {name.lower()} that it is for is disabled.")


def _visible(uow: UnitOfWork, tenant: str | None) -> bool:
    return tenant is None or uow.actor.sees(tenant)


def _told(name: str, right: bool, passed: str, failed: str) -> TokenCheck:  # noqa: FBT001 - what the check found
    return TokenCheck(name, "passed" if right else "failed", passed if right else failed)


def _members(members: Any) -> tuple[tuple[str, str], ...]:
    return tuple(
        (str(name), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in members.items()
    )
