"""Client assertions (private_key_jwt): a JWT for this server, valid once and for at most five minutes (RFC 7523)."""

import functools
import secrets
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.schema.accounts import assertion_ids
from roomkey.authorization_server.settings import Settings
from roomkey.errors import InvalidToken
from roomkey.jose.claims import read_string, read_time
from roomkey.jose.compact import Header, read_claims, read_compact
from roomkey.jose.jwks.key_set import KeySet
from roomkey.jose.verification_key import VerificationKey, check_algorithm, check_signature, verifier

ALGORITHMS: Final = frozenset({"ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA", "Ed25519"})
_MAX_LIFETIME: Final = 300
_MAX_JTI: Final = 256


def read_assertion(
    client_id: str, keys: KeySet | None, assertion: str, *, settings: Settings, now: float
) -> tuple[str, int] | None:
    """Return the ``jti`` and the expiry of a valid assertion of ``client_id``, or None for any other. No I/O.

    A signature is verified in any case: a client without ``keys`` is rejected in the time of one that has some.
    """
    try:
        compact = read_compact(assertion)
        check_algorithm(compact.header, ALGORITHMS)
        found = _find(keys, compact.header)
        check_signature(compact, found or (_unknown_key(compact.header.algorithm),))
        if not found:
            return None
        claims = read_claims(compact)
        names = [read_string(claims, name) for name in ("iss", "sub")]
        jti = read_string(claims, "jti")
        exp, iat, nbf = (read_time(claims, name) for name in ("exp", "iat", "nbf"))
    except InvalidToken:
        return None
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    leeway = settings.clock_leeway
    valid = (
        names == [client_id, client_id]
        and audience in (settings.issuer, settings.issuer + "/oauth2/token")
        and jti is not None
        and 1 <= len(jti) <= _MAX_JTI
        and exp is not None
        and now - leeway < exp <= now + _MAX_LIFETIME + leeway
        and (iat is None or iat <= now + leeway)
        and (nbf is None or nbf <= now + leeway)
    )
    return (jti, int(exp) + leeway) if valid and jti is not None and exp is not None else None


def consume_assertion(connection: Connection, client_id: str, jti: str, expires_at: int) -> bool:
    """Record the ``jti`` as used; return False where it was used before, on whichever node (replay)."""
    row = {"client_id": client_id, "digest": secret_format.digest_of(jti), "expires_at": expires_at + 1}
    try:
        with connection.begin_nested():
            connection.execute(insert(assertion_ids), row)
    except IntegrityError:
        return False
    return True


def _find(keys: KeySet | None, header: Header) -> tuple[VerificationKey, ...]:
    try:
        return () if keys is None else keys.find(header)
    except InvalidToken:
        return ()


@functools.cache
def _unknown_key(algorithm: str) -> VerificationKey:
    """Return a key whose private half does not exist any more."""
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
    if algorithm in _CURVES:
        key = ec.generate_private_key(_CURVES[algorithm]).public_key()
    elif algorithm in ("RS256", "PS256"):
        key = rsa.RSAPublicNumbers(65537, secrets.randbits(2048) | 1 << 2047 | 1).public_key()
    else:
        key = ed25519.Ed25519PrivateKey.generate().public_key()
    return VerificationKey(None, {algorithm: verifier(key, algorithm)})


_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
}
