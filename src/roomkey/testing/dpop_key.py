"""A client's DPoP key: the confirmation of bound tokens, and proofs for requests (RFC 9449 section 4)."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, final

from roomkey.clock import Clock, SystemClock
from roomkey.jose import base64url
from roomkey.jose.signing_key import SigningKey
from roomkey.jose.verification_key import thumbprint
from roomkey.secret import Confidential
from roomkey.testing.issuer_keys import forged, jwk_of, new_private_key, without_none


@final
class DPoPKey(Confidential):
    """A new key pair of a client, with which it makes a proof for each request. Safe in any thread.

    >>> from roomkey.testing import DPoPKey, Issuer
    >>> key = DPoPKey()
    >>> with Issuer() as issuer:
    ...     token = issuer.token(cnf=key.confirmation)
    >>> headers = key.headers("GET", "https://orders.example/orders", token)

    Attributes:
        jwk: its public half.
        confirmation: what ``cnf`` of a token says that is bound to it.
    """

    __slots__ = ("_clock", "_signing", "confirmation", "jwk")

    def __init__(self, algorithm: str = "ES256", *, clock: Clock | None = None) -> None:
        """``algorithm`` is one of ES256, ES384, RS256, PS256 and EdDSA."""
        private = new_private_key(algorithm)
        self._signing = SigningKey(private, algorithm=algorithm)
        self._clock = SystemClock() if clock is None else clock
        self.jwk = jwk_of(private)
        self.confirmation = {"jkt": thumbprint(self.jwk)}

    def headers(self, method: str, uri: str, token: str, **claims: Any) -> dict[str, str]:
        """The headers of a request with ``token`` and a new proof for it."""
        return {"Authorization": f"DPoP {token}", "DPoP": self.proof(method, uri, token, **claims)}

    def proof(
        self, method: str, uri: str, token: str, *, header: Mapping[str, Any] | None = None, **claims: Any
    ) -> str:
        """A new proof; ``claims`` and ``header`` replace what it would say, None leaves a member out."""
        says = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": uri,
            "iat": int(self._clock.wall()),
            "ath": base64url.encode(hashlib.sha256(token.encode()).digest()).decode(),
        }
        head = {"typ": "dpop+jwt", "alg": self._signing.algorithm, "jwk": self.jwk} | dict(header or {})
        return forged(self._signing, without_none(head), without_none(says | claims))

    def __repr__(self) -> str:
        return f"DPoPKey({self._signing.algorithm})"
