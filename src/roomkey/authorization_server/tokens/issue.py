"""Issue of an access token: the claims of RFC 9068 and a signature, or 256 random bits (pure but for randomness)."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from roomkey.authorization_server import secret_format
from roomkey.jose import base64url
from roomkey.jose.compact import LARGEST_TOKEN
from roomkey.secret import Confidential

# The first bytes of the claims that create_access_token writes, and the position of the jti behind them. A foreign
# token may have anything there: no row has the digest that follows from it.
_CLAIMS_START: Final = b'{"jti":"'
JTI_LENGTH: Final = 24
"""Characters of every jti."""

_JTI: Final = slice(len(_CLAIMS_START), len(_CLAIMS_START) + JTI_LENGTH)
_SEGMENT: Final = 44  # base64url characters that hold all of that
_TIME_BYTES: Final = 7  # of a jti: 40 bits of seconds since 1970, and 16 of a second's fraction
_NO_TIME: Final = bytes(_TIME_BYTES)
ACCESS_TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - a media type


class Signer(Protocol):
    """A key pair's private half, or a secret that an API shares."""

    def sign(self, claims: Mapping[str, Any], *, typ: str = ...) -> str:
        """Return ``claims`` as a compact JWT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrant:
    """The content of a token, whatever its format.

    Attributes:
        client_id: the client that acts.
        audience: the one API that it is for.
        scope: the granted scopes, in the order of the request.
        roles: the roles of the user or client.
        tenant: whose data, or None.
        user_id, username: the user on whose behalf, or None.
        family_id: the refresh token family that it belongs to, or None.
        authenticated_at: when the user signed in, in seconds since 1970, or None.
        acr: the authentication context of that sign-in, or None.
    """

    client_id: str
    audience: str
    scope: tuple[str, ...]
    roles: tuple[str, ...] = ()
    tenant: str | None = None
    user_id: str | None = None
    username: str | None = None
    family_id: str | None = None
    authenticated_at: int | None = None
    acr: str | None = None

    @property
    def subject(self) -> str:
        """``sub``: the user where there is one, else the client itself (RFC 9068 section 2.2)."""
        return self.user_id or self.client_id


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class NewAccessToken(Confidential):
    """An access token that was just created, and what is stored of it.

    Attributes:
        value: the token; returned once, stored nowhere.
        grant: its content.
        digest: the key of its row, by which it is found again.
        jti: its name.
        issued_at, expires_at: seconds since 1970.
    """

    value: str
    grant: TokenGrant
    digest: bytes
    jti: str
    issued_at: int
    expires_at: int

    @property
    def hint(self) -> str:
        """Its first and last characters, for lists and logs."""
        return secret_format.hint_of(self.value)

    def __repr__(self) -> str:
        return f"NewAccessToken({self.hint}, {self.grant.audience})"


def create_access_token(
    grant: TokenGrant,
    *,
    issuer: str,
    now: float,
    lifetime: int,
    signer: Signer | None,
    status: Mapping[str, Any] | None = None,
) -> NewAccessToken:
    """Create a token for ``grant``, valid for ``lifetime`` seconds from ``now``: a JWT where there is a ``signer``.

    Its ``jti`` begins with the time of its issue, so that tokens sort by it. ``status`` is the claim that names its
    index in the status list. Signing with RSA takes about a millisecond.
    """
    time = int(now * 65_536).to_bytes(_TIME_BYTES)
    jti = base64url.encode(time + secrets.token_bytes(11)).decode()
    issued_at = int(now)
    expires_at = issued_at + lifetime
    if signer is None:
        value = secret_format.generate_secret(secret_format.SecretKind.ACCESS_TOKEN).value
        digest = _digest(value, _NO_TIME)
    else:
        claims = _claims(grant, issuer=issuer, now=issued_at, expires_at=expires_at, jti=jti)
        if status is not None:
            claims["status"] = status
        value = signer.sign(claims, typ=ACCESS_TOKEN_TYPE)
        digest = _digest(value, time)
    return NewAccessToken(value, grant, digest=digest, jti=jti, issued_at=issued_at, expires_at=expires_at)


def lookup_digest(token: str) -> bytes | None:
    """Return the digest by which a received token is looked up; None where its form is not one of this service's.

    Nothing is verified: no row has the digest of a token that was not issued here.
    """
    if token.count(".") != 2:
        opaque = secret_format.is_well_formed(token, secret_format.SecretKind.ACCESS_TOKEN)
        return _digest(token, _NO_TIME) if opaque else None
    if len(token) > LARGEST_TOKEN or not token.isascii():
        return None
    claims = base64url.decode(token.split(".", 2)[1][:_SEGMENT].encode())
    if claims is None or not claims.startswith(_CLAIMS_START):
        return None
    jti = base64url.decode(claims[_JTI])
    return None if jti is None or len(jti) < _TIME_BYTES else _digest(token, jti[:_TIME_BYTES])


def _digest(token: str, time: bytes) -> bytes:
    """Return 200 bits of the token's SHA-256, after the time of its issue where the token says it.

    So the rows of JWTs that are issued one after the other are neighbours, and writing them touches few pages.
    """
    return time + secret_format.digest_of(token)[:25]


def _claims(grant: TokenGrant, *, issuer: str, now: int, expires_at: int, jti: str) -> dict[str, Any]:
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
