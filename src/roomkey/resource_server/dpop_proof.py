"""The checks of a DPoP proof: its signature, target, token, time and nonce (RFC 9449 sections 4.3 and 8; pure)."""

import functools
import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final
from urllib.parse import unquote, urlsplit

from roomkey.errors import ConfigurationError, DPoPNonceRequired, InvalidDPoPProof, InvalidToken
from roomkey.http.transport import check_endpoint_url
from roomkey.jose import base64url
from roomkey.jose.claims import read_string, read_time
from roomkey.jose.compact import Compact, embedded_key, read_claims, read_compact
from roomkey.jose.reasons import invalid_token
from roomkey.jose.verification_key import UnusableKey, VerificationKey, read_jwk, thumbprint
from roomkey.secret import Confidential

_NONCE_BYTES: Final = 16
_PORTS: Final = {"https": 443, "http": 80}
LARGEST_PROOF: Final = 8_192
_TYPE: Final = "dpop+jwt"
_MOST_CACHED_KEYS: Final = 1_024

REASONS: Final[Mapping[str, str]] = {
    "proof_missing": "A token of the scheme DPoP needs a proof in a DPoP header.",
    "two_proofs": "The request has more than one DPoP header.",
    "too_large": "The DPoP proof is larger than 8 KiB.",
    "malformed": "The DPoP proof is not a signed JWT in compact form.",
    "wrong_type": "The DPoP proof's typ is not dpop+jwt.",
    "algorithm_not_allowed": "The DPoP proof is signed with an algorithm that is not allowed here.",
    "key_refused": "The DPoP proof's header has no public key (jwk) that may verify its signature.",
    "bad_signature": "The DPoP proof's signature is wrong.",
    "claim_missing": "The DPoP proof lacks one of the claims htm, htu, iat, jti and ath.",
    "claim_malformed": "The DPoP proof has a claim of the wrong form.",
    "wrong_method": "The DPoP proof is for another method (htm).",
    "wrong_target": "The DPoP proof is for another URL (htu).",
    "wrong_token": "The DPoP proof is for another token (ath).",
    "wrong_time": "The DPoP proof was not made just now (iat); make a new one for each request.",
    "replayed": "The DPoP proof was used before (jti); make a new one for each request.",
}


@final
class Nonces(Confidential):
    """Nonces that are stored nowhere, each the MAC of its time: a new one every ``lifetime`` seconds.

    The one before and the one after are accepted too. Processes with the same secret issue the same ones. A new secret
    is a new series: a client that sends an old nonce gets the new one.
    """

    __slots__ = ("_key", "_lifetime")

    def __init__(self, secret: bytes, lifetime: float) -> None:
        self._key = hmac.digest(secret, b"roomkey DPoP nonce", hashlib.sha256)
        self._lifetime = lifetime

    def current(self, now: float) -> str:
        """Return the one to use at ``now``, in seconds since 1970."""
        return self._numbered(self._number(now))

    def accepts(self, nonce: str, now: float) -> bool:
        """Return True for one that is current at ``now``, was so shortly before, or is so on a clock that is ahead."""
        number, given = self._number(now), nonce.encode()
        return any(hmac.compare_digest(self._numbered(number + step).encode(), given) for step in (0, -1, 1))

    def _number(self, now: float) -> int:
        return int(now // self._lifetime)

    def _numbered(self, number: int) -> str:
        mac = hmac.digest(self._key, number.to_bytes(8, signed=True), hashlib.sha256)
        return base64url.encode(mac[:_NONCE_BYTES]).decode()

    def __repr__(self) -> str:
        return "Nonces(…)"


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """A URL without query and fragment, in one form for every way to write it (RFC 3986 section 6.2).

    Attributes:
        origin: scheme, host and port in lower case, the scheme's own port left out.
        path: decoded, without dot segments, never empty.
    """

    origin: str
    path: str


def read_target(uri: str) -> RequestTarget | None:
    """Return the target of ``uri``, or None where it is not an absolute http or https URL without a user in it."""
    if not uri.isascii() or not uri.isprintable() or " " in uri:
        return None
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc:
        return None
    name = f"[{host}]" if ":" in host else host
    suffix = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return RequestTarget(f"{parts.scheme}://{name}{suffix}", normal_path(unquote(parts.path)))


def normal_path(path: str) -> str:
    """Return ``path``, decoded already, without dot segments (RFC 3986 section 5.2.4); an empty one is ``/``."""
    kept: list[str] = []
    segments = path.removeprefix("/").split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def read_origins(origins: str | Iterable[str]) -> frozenset[str]:
    """Return ``origins`` in their normal form; raises ConfigurationError for one with a path, a query or no https."""
    found = set()
    for url in (origins,) if isinstance(origins, str) else origins:
        target = read_target(check_endpoint_url(url, "origins="))
        if target is None or target.path != "/" or "?" in url:
            raise ConfigurationError(
                "origins= must name an API by scheme, host and port, such as https://orders.example."
            )
        found.add(target.origin)
    if not found:
        raise ConfigurationError(
            "origins= is empty; name the API's origin as in a proof's htu, such as https://orders.example."
        )
    return frozenset(found)


def invalid_proof(reason: str) -> InvalidDPoPProof:
    """Return the error for ``reason``, one of ``REASONS``."""
    return InvalidDPoPProof(REASONS[reason], reason=reason)


@final
class DPoPRequest(Confidential):
    """The ``DPoP`` headers of a request with its target; one value per request, however often that is validated.

    Parameters:
        headers: every ``DPoP`` header, as it came.
        method: the request's method.
        path: its whole path, decoded, as in the URL that the client called.
    """

    __slots__ = ("consumed", "headers", "method", "path")

    def __init__(self, headers: Sequence[str], *, method: str, path: str) -> None:
        if isinstance(headers, str):
            raise TypeError("headers of DPoPRequest must be a list of strings, for there may be none or several")
        self.headers = tuple(headers)
        self.method = method
        self.path = path
        self.consumed: dict[ProofRules, VerifiedProof] = {}
        """The proof in it, once it was verified and consumed, by the rules that verified it."""

    def __repr__(self) -> str:
        return f"DPoPRequest({self.method} {self.path!r})"


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """A proof that is valid for one use.

    Attributes:
        key: the thumbprint of the key that signed it (RFC 7638).
        token: SHA-256 of the token that it is for.
        digest: SHA-256 of its key and ``jti``, for the replay store.
        until: the second since 1970 from which on it is expired.
    """

    key: str
    token: bytes
    digest: bytes
    until: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProofRules:
    """What a proof must contain.

    Attributes:
        origins: the API's origins, as in ``RequestTarget``.
        algorithms: what it may be signed with.
        lifetime: seconds after its ``iat`` in which it is accepted.
        leeway: seconds by which clocks may differ.
        nonces: the nonces that are accepted, or None.
    """

    origins: frozenset[str]
    algorithms: frozenset[str]
    lifetime: float
    leeway: float
    nonces: Nonces | None

    def verify(self, request: DPoPRequest, token: str, keys: Collection[str], *, now: float) -> VerifiedProof:
        """Return the proof of ``request`` for ``token``; the caller checks whether it was used before.

        ``keys`` are the thumbprints of the keys that the token is bound to: no other key is used.
        ``now`` is in seconds since 1970. Raises InvalidDPoPProof, DPoPNonceRequired, and InvalidToken for another key.
        """
        compact = _read(request.headers)
        if compact.header.typ != _TYPE:
            raise invalid_proof("wrong_type")
        if compact.header.algorithm not in self.algorithms:
            raise invalid_proof("algorithm_not_allowed")
        key, name = _embedded_key(compact.signed.partition(b".")[0])
        verify = key.verifiers.get(compact.header.algorithm)
        if verify is None:
            raise invalid_proof("key_refused")
        if name not in keys:
            raise invalid_token("bound_to_a_key", "cnf")
        if not verify(compact.signature, compact.signed):
            raise invalid_proof("bad_signature")
        try:
            return self._verify_claims(read_claims(compact), request, token, name, now)
        except InvalidToken as error:
            reason = error.reason if error.reason in REASONS else "malformed"
        raise invalid_proof(reason)

    def _verify_claims(
        self, claims: Mapping[str, Any], request: DPoPRequest, token: str, key: str, now: float
    ) -> VerifiedProof:
        jti, issued = _string(claims, "jti"), read_time(claims, "iat")
        if _string(claims, "htm") != request.method:
            raise invalid_proof("wrong_method")
        target = read_target(_string(claims, "htu"))
        if target is None or target.origin not in self.origins or target.path != normal_path(request.path):
            raise invalid_proof("wrong_target")
        digest = hashlib.sha256(token.encode()).digest()
        if not hmac.compare_digest(_string(claims, "ath").encode(), base64url.encode(digest)):
            raise invalid_proof("wrong_token")
        self._check_nonce(claims, now)
        if issued is None:
            raise invalid_proof("claim_missing")
        until = issued + self.lifetime + self.leeway
        if not issued - self.leeway <= now < until:
            raise invalid_proof("wrong_time")
        # The thumbprint always has the same length, so that no two pairs make one string.
        return VerifiedProof(key, digest, hashlib.sha256(f"{key}{jti}".encode()).digest(), until)

    def _check_nonce(self, claims: Mapping[str, Any], now: float) -> None:
        if self.nonces is None:
            return
        given = read_string(claims, "nonce")
        if given is None or not self.nonces.accepts(given, now):
            raise DPoPNonceRequired(
                "Make the DPoP proof again, with the nonce of this response's DPoP-Nonce header.",
                reason="nonce_missing" if given is None else "nonce_unknown",
                nonce=self.nonces.current(now),
            )


def _read(headers: Sequence[str]) -> Compact:
    if not headers:
        raise invalid_proof("proof_missing")
    if len(headers) > 1:
        raise invalid_proof("two_proofs")
    try:
        return read_compact(headers[0], largest=LARGEST_PROOF)
    except InvalidToken as error:
        reason = error.reason if error.reason in REASONS else "malformed"
    raise invalid_proof(reason)


@functools.lru_cache(maxsize=_MOST_CACHED_KEYS)
def _embedded_key(header: bytes) -> tuple[VerificationKey, str]:
    """Return the key in a proof's encoded ``header``, and its thumbprint; a client sends the same one every time."""
    jwk = embedded_key(header)
    try:
        key = read_jwk(jwk, published=True)
    except UnusableKey:
        key = None
    if key is None or not isinstance(jwk, Mapping):
        raise invalid_proof("key_refused")
    return key, thumbprint(jwk)


def _string(claims: Mapping[str, Any], name: str) -> str:
    value = read_string(claims, name, required=True)
    if not value:
        raise invalid_proof("claim_malformed")
    return value
