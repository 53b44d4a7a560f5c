"""How a token comes to be: the claims of RFC 9068 and a signature, or 256 random bits (pure but for randomness)."""

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final, Protocol

from roomkey.authorization_server import opaque
from roomkey.authorization_server.tokens.grant import Grant
from roomkey.jose import base64url
from roomkey.jose.envelope import LARGEST_TOKEN
from roomkey.secret import Confidential

# As mint writes it; whatever else this finds in a foreign token, nothing stands under it.
_ISSUED_AT: Final = re.compile(rb'"iat":([0-9]{1,12})[,}]')
ACCESS_TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - a media type


class Signer(Protocol):
    """What signs: a key pair's private half, or a secret that an API shares."""

    def sign(self, claims: Mapping[str, Any], *, typ: str = ...) -> str:
        """``claims`` as a compact JWT."""


class Minted(Confidential):
    """A token that was just made, and what is kept of it.

    Attributes:
        value: the token; handed out once, kept nowhere.
        digest: its ``ledger_key``, by which it is found again.
        jti: its name.
        hint: how it begins and ends, for people.
        grant: what it allows.
        issued_at, expires_at: seconds since 1970.
    """

    __slots__ = ("digest", "expires_at", "grant", "hint", "issued_at", "jti", "value")

    def __init__(self, value: str, grant: Grant, *, jti: str, issued_at: int, expires_at: int) -> None:
        self.value = value
        self.digest = ledger_key(value, issued_at if "." in value else 0)
        self.jti = jti
        self.hint = opaque.hint_of(value)
        self.grant = grant
        self.issued_at = issued_at
        self.expires_at = expires_at

    def __repr__(self) -> str:
        return f"Minted({self.hint}, {self.grant.audience})"


def mint(
    grant: Grant,
    *,
    issuer: str,
    now: int,
    lifetime: int,
    signer: Signer | None,
    status: Mapping[str, Any] | None = None,
) -> Minted:
    """A new token for ``grant`` that lives ``lifetime`` seconds from ``now``: a JWT where there is a ``signer``.

    ``status`` is the claim that names its place in a status list. Signing with RSA takes about a millisecond.
    """
    jti = base64url.encode(secrets.token_bytes(16)).decode()
    expires_at = now + lifetime
    if signer is None:
        value = opaque.new(opaque.Kind.ACCESS_TOKEN).value
    else:
        claims = _claims(grant, issuer=issuer, now=now, expires_at=expires_at, jti=jti)
        if status is not None:
            claims["status"] = status
        value = signer.sign(claims, typ=ACCESS_TOKEN_TYPE)
    return Minted(value, grant, jti=jti, issued_at=now, expires_at=expires_at)


def ledger_key(token: str, issued_at: int) -> bytes:
    """By what a token stands in the ledger: 216 bits of its SHA-256, behind the second of its issue.

    So JWTs that are issued one after the other stand beside each other, and writing them touches few pages.
    """
    return issued_at.to_bytes(5) + opaque.digest_of(token)[:27]


def find_ledger_key(token: str) -> bytes | None:
    """The key of a token that somebody presents; None for what cannot be one of this service's tokens.

    Nothing is verified: a token that was not issued here has a key under which nothing stands.
    """
    if token.count(".") != 2:
        return ledger_key(token, 0) if opaque.is_whole(token, opaque.Kind.ACCESS_TOKEN) else None
    if len(token) > LARGEST_TOKEN or not token.isascii():
        return None
    payload = base64url.decode(token.split(".", 2)[1].encode())
    issued_at = None if payload is None else _ISSUED_AT.search(payload)
    return None if issued_at is None else ledger_key(token, int(issued_at[1]))


def _claims(grant: Grant, *, issuer: str, now: int, expires_at: int, jti: str) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": grant.subject,
        "aud": grant.audience,
        "client_id": grant.client_id,
        "iat": now,
        "nbf": now,
        "exp": expires_at,
        "jti": jti,
        "scope": " ".join(grant.scope),
    }
    if grant.roles:
        claims["roles"] = list(grant.roles)
    optional = {
        "tenant": grant.tenant,
        "username": grant.username,
        "auth_time": grant.authenticated_at,
        "acr": grant.acr,
    }
    return claims | {name: value for name, value in optional.items() if value is not None}
