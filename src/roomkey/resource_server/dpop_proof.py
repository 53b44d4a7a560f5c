"""Whether the proof in a ``DPoP`` header is good for its token and its request (RFC 9449 section 4.3; pure)."""

import functools
import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final
from urllib.parse import unquote, urlsplit

from roomkey.errors import ConfigurationError, DPoPNonceRequired, InvalidDPoPProof, InvalidToken
from roomkey.http.address import check_endpoint_url
from roomkey.jose import base64url
from roomkey.jose.claims import read_text, read_time
from roomkey.jose.compact import Compact, embedded_key, read_claims, read_compact
from roomkey.jose.reasons import invalid_token
from roomkey.jose.verification_key import UnusableKey, VerificationKey, read_jwk, thumbprint
from roomkey.secret import Confidential

_LENGTH = 16


@final
class Nonces(Confidential):
    """A new nonce every ``lifetime`` seconds; the one before and the one after are good too.

    Processes with the same secret give out the same ones. A new secret is a new series: a client that comes with an old
    nonce is told the new one.
    """

    __slots__ = ("_key", "_lifetime")

    def __init__(self, secret: bytes, lifetime: float) -> None:
        self._key = hmac.digest(secret, b"roomkey DPoP nonce", hashlib.sha256)
        self._lifetime = lifetime

    def current(self, now: float) -> str:
        """The one to use at ``now``, in seconds since 1970."""
        return self._numbered(self._number(now))

    def good(self, nonce: str, now: float) -> bool:
        """True for one that was current at ``now`` or shortly before, or is so where a clock goes ahead."""
        number, given = self._number(now), nonce.encode()
        return any(hmac.compare_digest(self._numbered(number + step).encode(), given) for step in (0, -1, 1))

    def _number(self, now: float) -> int:
        return int(now // self._lifetime)

    def _numbered(self, number: int) -> str:
        mac = hmac.digest(self._key, number.to_bytes(8, signed=True), hashlib.sha256)
        return base64url.encode(mac[:_LENGTH]).decode()

    def __repr__(self) -> str:
        return "Nonces(…)"


_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """An address without query and fragment, in its normal form.

    Attributes:
        origin: scheme, host and port in lower case, the scheme's own port left out.
        path: decoded, without dot segments, never empty.
    """

    origin: str
    path: str


def read_target(uri: str) -> RequestTarget | None:
    """The target that ``uri`` names, or None where it is no absolute http or https address without a user in it."""
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
    shown = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return RequestTarget(f"{parts.scheme}://{name}{shown}", normal_path(unquote(parts.path)))


def normal_path(path: str) -> str:
    """``path``, decoded already, without dot segments (RFC 3986 section 5.2.4); an empty one is ``/``."""
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
    """``origins`` as targets have them; raises ConfigurationError for one with a path, a query or no https."""
    found = set()
    for text in (origins,) if isinstance(origins, str) else origins:
        target = read_target(check_endpoint_url(text, "origins="))
        if target is None or target.path != "/" or "?" in text:
            raise ConfigurationError("origins= names an API by scheme, host and port, such as https://orders.example.")
        found.add(target.origin)
    if not found:
        raise ConfigurationError("origins= names nothing; say how the API's callers address it, as in a proof's htu.")
    return frozenset(found)


LARGEST_PROOF: Final = 8_192
_TYPE: Final = "dpop+jwt"
_MOST_KEYS: Final = 1_024

REASONS: Final[Mapping[str, str]] = {
    "proof_missing": "A token of the scheme DPoP needs a proof in a DPoP header.",
    "two_proofs": "The request has more than one DPoP header.",
    "too_large": "The DPoP proof is larger than 8 KiB.",
    "malformed": "The DPoP proof is not a signed JWT in compact form.",
    "wrong_type": "The DPoP proof's typ is not dpop+jwt.",
    "algorithm_not_allowed": "The DPoP proof is signed with an algorithm that is not allowed here.",
    "key_refused": "The DPoP proof's header has no public key (jwk) that its signature may be checked with.",
    "bad_signature": "The DPoP proof's signature is wrong.",
    "claim_missing": "The DPoP proof lacks one of the claims htm, htu, iat, jti and ath.",
    "claim_malformed": "The DPoP proof has a claim of the wrong form.",
    "wrong_method": "The DPoP proof is for another method (htm).",
    "wrong_target": "The DPoP proof is for another address (htu).",
    "wrong_token": "The DPoP proof is for another token (ath).",
    "wrong_time": "The DPoP proof was not made just now (iat); make a new one for each request.",
    "replayed": "The DPoP proof was used before (jti); make a new one for each request.",
}


def invalid_proof(reason: str) -> InvalidDPoPProof:
    """The error for ``reason``, one of ``REASONS``."""
    return InvalidDPoPProof(REASONS[reason], reason=reason)


@final
class DPoPRequest(Confidential):
    """What a request shows of DPoP; one value for one request, however often that request is judged.

    Parameters:
        headers: every ``DPoP`` header, as it came.
        method: the request's method.
        path: its whole path, decoded, as the API's callers address it.
    """

    __slots__ = ("headers", "method", "path", "spent")

    def __init__(self, headers: Sequence[str], *, method: str, path: str) -> None:
        if isinstance(headers, str):
            raise TypeError("a DPoPRequest takes a list of headers, for there may be none or several")
        self.headers = tuple(headers)
        self.method = method
        self.path = path
        self.spent: dict[ProofRules, Proof] = {}
        """The proof in it, once it was found good and spent, by the rules that it was judged by."""

    def __repr__(self) -> str:
        return f"DPoPRequest({self.method} {self.path!r})"


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that is good for one use.

    Attributes:
        key: the thumbprint of the key that signed it (RFC 7638).
        token: SHA-256 of the token that it is for.
        mark: what tells it from all other proofs, in 32 bytes.
        until: the second since 1970 from which on it is good no more.
    """

    key: str
    token: bytes
    mark: bytes
    until: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProofRules:
    """What a proof must say.

    Attributes:
        origins: where the API is, as ``RequestTarget`` has it.
        algorithms: what it may be signed with.
        lifetime: seconds after its ``iat`` in which it is taken.
        leeway: seconds by which clocks may differ.
        nonces: what its ``nonce`` must be one of, or None.
    """

    origins: frozenset[str]
    algorithms: frozenset[str]
    lifetime: float
    leeway: float
    nonces: Nonces | None

    def judge(self, presented: DPoPRequest, token: str, keys: Collection[str], *, now: float) -> Proof:
        """The proof that ``presented`` has for ``token``; whether it was used before is left to the caller.

        ``keys`` are the thumbprints of those that the token is bound to: no arithmetic is done with any other.
        ``now`` is in seconds since 1970. Raises InvalidDPoPProof, DPoPNonceRequired, and InvalidToken for another key.
        """
        compact = _read(presented.headers)
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
            return self._judge_claims(read_claims(compact), presented, token, name, now)
        except InvalidToken as error:
            reason = error.reason if error.reason in REASONS else "malformed"
        raise invalid_proof(reason)

    def _judge_claims(
        self, claims: Mapping[str, Any], presented: DPoPRequest, token: str, key: str, now: float
    ) -> Proof:
        jti, issued = _text(claims, "jti"), read_time(claims, "iat")
        if _text(claims, "htm") != presented.method:
            raise invalid_proof("wrong_method")
        target = read_target(_text(claims, "htu"))
        if target is None or target.origin not in self.origins or target.path != normal_path(presented.path):
            raise invalid_proof("wrong_target")
        digest = hashlib.sha256(token.encode()).digest()
        if not hmac.compare_digest(_text(claims, "ath").encode(), base64url.encode(digest)):
            raise invalid_proof("wrong_token")
        self._check_nonce(claims, now)
        if issued is None:
            raise invalid_proof("claim_missing")
        until = issued + self.lifetime + self.leeway
        if not issued - self.leeway <= now < until:
            raise invalid_proof("wrong_time")
        # The thumbprint always has the same length, so that no two pairs make one text.
        return Proof(key, digest, hashlib.sha256(f"{key}{jti}".encode()).digest(), until)

    def _check_nonce(self, claims: Mapping[str, Any], now: float) -> None:
        if self.nonces is None:
            return
        given = read_text(claims, "nonce")
        if given is None or not self.nonces.good(given, now):
            raise DPoPNonceRequired(
                "Make the DPoP proof again, with the nonce of this answer's DPoP-Nonce header.",
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


@functools.lru_cache(maxsize=_MOST_KEYS)
def _embedded_key(header: bytes) -> tuple[VerificationKey, str]:
    """The key in a proof's ``header``, as it travelled, and its thumbprint; a client sends the same one every time."""
    jwk = embedded_key(header)
    try:
        key = read_jwk(jwk, published=True)
    except UnusableKey:
        key = None
    if key is None or not isinstance(jwk, Mapping):
        raise invalid_proof("key_refused")
    return key, thumbprint(jwk)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = read_text(claims, name, required=True)
    if not value:
        raise invalid_proof("claim_malformed")
    return value
