"""How a token comes to be: the claims of RFC 9068 and a signature, or 256 random bits (pure but for randomness)."""

import secrets
from collections.abc import Mapping
from typing import Any, Final, Protocol

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.tokens.grant import Grant
from roomkey.jose import base64url
from roomkey.jose.compact import LARGEST_TOKEN
from roomkey.secret import Confidential

# How the claims begin that mint writes, and where in them the jti is; whatever else stands there in a foreign token,
# nothing is found under it.
_BEGIN: Final = b'{"jti":"'
JTI_LENGTH: Final = 24
"""How long every jti is."""

_JTI: Final = slice(len(_BEGIN), len(_BEGIN) + JTI_LENGTH)
_SEGMENT: Final = 44  # letters of base64url for all that
_PLACE: Final = 7  # bytes of a jti that say when: 40 bits of seconds since 1970, and 16 of a second's fraction
_NO_PLACE: Final = bytes(_PLACE)
ACCESS_TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - a media type


class Signer(Protocol):
    """What signs: a key pair's private half, or a secret that an API shares."""

    def sign(self, claims: Mapping[str, Any], *, typ: str = ...) -> str:
        """``claims`` as a compact JWT."""


class NewAccessToken(Confidential):
    """A token that was just made, and what is kept of it.

    Attributes:
        value: the token; handed out once, kept nowhere.
        digest: its key in the ledger, by which it is found again.
        jti: its name.
        grant: what it allows.
        issued_at, expires_at: seconds since 1970.
    """

    __slots__ = ("digest", "expires_at", "grant", "issued_at", "jti", "value")

    def __init__(self, value: str, grant: Grant, *, digest: bytes, jti: str, issued_at: int, expires_at: int) -> None:
        self.value = value
        self.digest = digest
        self.jti = jti
        self.grant = grant
        self.issued_at = issued_at
        self.expires_at = expires_at

    @property
    def hint(self) -> str:
        """How it begins and ends, for people."""
        return secret_format.hint_of(self.value)

    def __repr__(self) -> str:
        return f"Minted({self.hint}, {self.grant.audience})"


def create_access_token(
    grant: Grant,
    *,
    issuer: str,
    now: float,
    lifetime: int,
    signer: Signer | None,
    status: Mapping[str, Any] | None = None,
) -> NewAccessToken:
    """A new token for ``grant`` that lives ``lifetime`` seconds from ``now``: a JWT where there is a ``signer``.

    Its ``jti`` begins with the time of its issue, and so do those of tokens that are issued after it.

    ``status`` is the claim that names its place in a status list. Signing with RSA takes about a millisecond.
    """
    place = int(now * 65_536).to_bytes(_PLACE)
    jti = base64url.encode(place + secrets.token_bytes(11)).decode()
    issued_at = int(now)
    expires_at = issued_at + lifetime
    if signer is None:
        value = secret_format.generate_secret(secret_format.SecretKind.ACCESS_TOKEN).value
        digest = _digest(value, _NO_PLACE)
    else:
        claims = _claims(grant, issuer=issuer, now=issued_at, expires_at=expires_at, jti=jti)
        if status is not None:
            claims["status"] = status
        value = signer.sign(claims, typ=ACCESS_TOKEN_TYPE)
        digest = _digest(value, place)
    return NewAccessToken(value, grant, digest=digest, jti=jti, issued_at=issued_at, expires_at=expires_at)


def lookup_digest(token: str) -> bytes | None:
    """The key of a token that somebody presents; None for what cannot be one of this service's tokens.

    Nothing is verified: a token that was not issued here has a key under which nothing stands.
    """
    if token.count(".") != 2:
        return (
            _digest(token, _NO_PLACE)
            if secret_format.is_well_formed(token, secret_format.SecretKind.ACCESS_TOKEN)
            else None
        )
    if len(token) > LARGEST_TOKEN or not token.isascii():
        return None
    claims = base64url.decode(token.split(".", 2)[1][:_SEGMENT].encode())
    if claims is None or not claims.startswith(_BEGIN):
        return None
    jti = base64url.decode(claims[_JTI])
    return None if jti is None or len(jti) < _PLACE else _digest(token, jti[:_PLACE])


def _digest(token: str, place: bytes) -> bytes:
    """200 bits of the token's SHA-256, behind the time of its issue where that can be read from it.

    So JWTs that are issued one after the other stand beside each other, and writing them touches few pages.
    """
    return place + secret_format.digest_of(token)[:25]


def _claims(grant: Grant, *, issuer: str, now: int, expires_at: int, jti: str) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "jti": jti,
        "iss": issuer,
        "sub": grant.subject,
        "aud": grant.audience,
        "client_id": grant.client_id,
        "iat": now,
        "nbf": now,
        "exp": expires_at,
        "scope": " ".join(grant.scope),
    }
    if grant.roles:
        claims["roles"] = grant.roles
    if grant.tenant is not None:
        claims["tenant"] = grant.tenant
    if grant.username is not None:
        claims["username"] = grant.username
    if grant.authenticated_at is not None:
        claims["auth_time"] = grant.authenticated_at
    if grant.acr is not None:
        claims["acr"] = grant.acr
    return claims
