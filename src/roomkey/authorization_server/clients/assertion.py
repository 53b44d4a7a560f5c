"""The proof of a client that has a key pair: a JWT for this server, for five minutes at most, good once (RFC 7523)."""

from typing import Final

from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from roomkey.authorization_server import opaque
from roomkey.authorization_server.clients.client import Proof
from roomkey.authorization_server.schema.accounts import assertion_ids
from roomkey.authorization_server.settings import Settings
from roomkey.errors import InvalidToken
from roomkey.jose.claims import read_text, read_time
from roomkey.jose.envelope import read_claims, read_compact
from roomkey.jose.verify import check_algorithm, check_signature

ALGORITHMS: Final = frozenset({"ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA", "Ed25519"})
_LONGEST_LIFE: Final = 300
_LONGEST_JTI: Final = 256


def read_assertion(
    client_id: str, proof: Proof, assertion: str, *, settings: Settings, now: float
) -> tuple[str, int] | None:
    """The ``jti`` and the end of a right assertion of ``client_id``, or None for any other. Does no I/O."""
    if proof.keys is None:
        return None
    try:
        compact = read_compact(assertion)
        check_algorithm(compact.header, ALGORITHMS)
        check_signature(compact, proof.keys.find(compact.header))
        claims = read_claims(compact)
        names = [read_text(claims, name) for name in ("iss", "sub")]
        jti = read_text(claims, "jti")
        exp, iat, nbf = (read_time(claims, name) for name in ("exp", "iat", "nbf"))
    except InvalidToken:
        return None
    audience = claims.get("aud")
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    leeway = settings.clock_leeway
    right = (
        names == [client_id, client_id]
        and audience in (settings.issuer, settings.issuer + "/oauth2/token")
        and jti is not None
        and len(jti) <= _LONGEST_JTI
        and exp is not None
        and now - leeway < exp <= now + _LONGEST_LIFE + leeway
        and (iat is None or iat <= now + leeway)
        and (nbf is None or nbf <= now + leeway)
    )
    return (jti, int(exp) + leeway) if right and jti is not None and exp is not None else None


def use_assertion(connection: Connection, client_id: str, jti: str, expires_at: int) -> bool:
    """Use up the ``jti``; False where it was used before, on whichever node."""
    row = {"client_id": client_id, "digest": opaque.digest_of(jti), "expires_at": expires_at + 1}
    try:
        with connection.begin_nested():
            connection.execute(insert(assertion_ids), row)
    except IntegrityError:
        return False
    return True
