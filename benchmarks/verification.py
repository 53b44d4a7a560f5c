"""Figure 6: what it costs an API to validate a token it has not seen before, over the bare signature check."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import threading
import time
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import joserfc.jwk
import joserfc.jwt
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fast_jwt import FastJWT, missing
from roomkey.jose import KeySet, verify_compact
from roomkey.jose.claims import ClaimRules, check_claims, check_type
from roomkey.jose.compact import read_claims, read_compact
from roomkey.jose.signing_key import SigningKey
from roomkey.jose.verification_key import allowed_algorithms, check_algorithm, check_signature
from table import Table, verdict
from timing import Contestant, interleave, per_call

warnings.filterwarnings("ignore", "authlib.jose module is deprecated")  # joserfc, which follows it, is measured too
from authlib.jose import JsonWebKey, JsonWebToken  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 41
CALLS = 500
GOAL_OVER_BARE = 12e-6
GOAL_REFUSAL = 20e-6
NODE = "Node, the bare check"
ISSUER = "https://auth.example"
AUDIENCE = "orders-api"


@dataclass(frozen=True, slots=True)
class Case:
    """One algorithm: a token, its key as a JWK and as PEM, and the signature check alone."""

    algorithm: str
    token: str
    jwk: dict[str, str]
    pem: str
    bare: Callable[[], object]

    def in_node(self) -> FastJWT:
        return FastJWT(token=self.token, algorithm=self.algorithm, pem=self.pem, issuer=ISSUER, audience=AUDIENCE)


def encode(number: int, size: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).rstrip(b"=").decode()


def signed_by(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, algorithm: str) -> tuple[str, bytes, bytes]:
    """A token of the usual size, what is signed of it, and the signature."""
    claims = {
        "iss": ISSUER,
        "sub": "service-account-reports",
        "aud": AUDIENCE,
        "client_id": "reports",
        "scope": "orders:read orders:write",
        "jti": "5f3c7a1e9b2d4c6f8a0e1d3b5c7f9a2e",
        "iat": int(time.time()),
        "exp": int(time.time()) + 36_000,
    }
    token = SigningKey(key, algorithm=algorithm, key_id="key-1").sign(claims, typ="at+jwt")
    head, _, tail = token.rpartition(".")
    return token, head.encode(), base64.urlsafe_b64decode(tail + "==")


def pem_of(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def rs256() -> Case:
    key = rsa.generate_private_key(65537, 2048)
    token, signed, signature = signed_by(key, "RS256")
    public, pad, digest = key.public_key(), padding.PKCS1v15(), SHA256()
    jwk = {"kty": "RSA", "n": encode(public.public_numbers().n, 256), "e": "AQAB", "alg": "RS256", "kid": "key-1"}
    jwk["use"] = "sig"
    return Case("RS256", token, jwk, pem_of(public), lambda: public.verify(signature, signed, pad, digest))


def es256() -> Case:
    key = ec.generate_private_key(ec.SECP256R1())
    token, signed, raw = signed_by(key, "ES256")
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public, scheme = key.public_key(), ec.ECDSA(SHA256())
    point = public.public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "x": encode(point.x, 32), "y": encode(point.y, 32), "alg": "ES256"}
    jwk |= {"kid": "key-1", "use": "sig"}
    return Case("ES256", token, jwk, pem_of(public), lambda: public.verify(signature, signed, scheme))


@contextlib.contextmanager
def published(jwk: dict[str, str]) -> Iterator[str]:
    """The URL of a key set that holds ``jwk``; each contestant asks it once and then keeps the answer."""
    body = json.dumps({"keys": [jwk]}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/jwks"
        server.shutdown()


def roomkey(case: Case, url: str) -> Callable[[], object]:
    """All that a validator does with a token it has not seen before, a published key included."""
    keys, allowed = KeySet.remote(url), allowed_algorithms([case.algorithm])
    rules = ClaimRules(issuer=ISSUER, audiences=frozenset({AUDIENCE}))

    def call() -> object:
        compact = read_compact(case.token)
        check_algorithm(compact.header, allowed)
        check_type(compact.header.typ, access_tokens_only=rules.access_tokens_only)
        check_signature(compact, keys.find(compact.header))
        claims = read_claims(compact)
        check_claims(claims, rules, now=time.time())
        return claims

    return call


def roomkey_signature(case: Case, url: str) -> Callable[[], object]:
    keys = KeySet.remote(url)
    return lambda: verify_compact(case.token, keys, algorithms=[case.algorithm])


def pyjwt(case: Case, _: str) -> Callable[[], object]:
    key = jwt.PyJWK(case.jwk)
    return lambda: jwt.decode(case.token, key, algorithms=[case.algorithm], audience=AUDIENCE, issuer=ISSUER)


def pyjwk_client(case: Case, url: str) -> Callable[[], object]:
    client = jwt.PyJWKClient(url, lifespan=36_000)

    def call() -> object:
        key = client.get_signing_key_from_jwt(case.token)
        return jwt.decode(case.token, key, algorithms=[case.algorithm], audience=AUDIENCE, issuer=ISSUER)

    return call


def joserfc_(case: Case, _: str) -> Callable[[], object]:
    keys = joserfc.jwk.KeySet.import_key_set({"keys": [case.jwk]})
    wanted = joserfc.jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}, exp={"essential": True}
    )

    def call() -> object:
        token = joserfc.jwt.decode(case.token, keys, algorithms=[case.algorithm])
        wanted.validate(token.claims)
        return token.claims

    return call


def authlib(case: Case, _: str) -> Callable[[], object]:
    keys, decoder = JsonWebKey.import_key_set({"keys": [case.jwk]}), JsonWebToken([case.algorithm])
    wanted = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": AUDIENCE}}

    def call() -> object:
        claims = decoder.decode(case.token, keys, claims_options=wanted)
        claims.validate()
        return claims

    return call


VALIDATIONS = (
    ("roomkey, published keys", roomkey),
    ("  its signature check alone", roomkey_signature),
    ("PyJWT, key in hand", pyjwt),
    ("PyJWT, PyJWKClient", pyjwk_client),
    ("joserfc, key set in hand", joserfc_),
    ("Authlib, key set in hand", authlib),
)


def compare(case: Case) -> None:
    with published(case.jwk) as url:
        calls = [(name, make(case, url)) for name, make in VALIDATIONS]
        for _, call in calls:
            call()  # keys are there and headers are known before anything is measured
        contestants = [Contestant("cryptography, the bare check", per_call(case.bare, CALLS))]
        contestants += [Contestant(name, per_call(call, CALLS)) for name, call in calls]
        with contextlib.nullcontext() if missing() else case.in_node() as node:
            if node is not None:
                contestants.append(node.contestant(NODE, "bare", CALLS))
                contestants.append(node.contestant("fast-jwt, key in hand", "judge", CALLS))
            bare, *others = interleave(contestants, ROUNDS)
    table = Table(f"Judging a token: {case.algorithm}", "", "us", "us over bare", "goal", "")
    table.row(bare.name, f"{bare.median * 1e6:.1f}", "0.0", "", "")
    least = bare
    for series in others:
        least = series if series.name == NODE else least
        over = series.over(least)
        goal = ("<= 12 us", verdict(over, GOAL_OVER_BARE)) if series.name.startswith("roomkey") else ("", "")
        table.row(series.name, f"{series.median * 1e6:.1f}", f"{over * 1e6:.1f}", *goal)
    table.note(f"Medians of {ROUNDS} interleaved rounds of {CALLS} calls. All check the signature, exp, iss and aud.")
    table.note("roomkey also checks typ, the form of every claim, strict JSON and the one canonical form of the token.")
    table.note(f"fast-jwt is left out: {missing()}." if missing() else "fast-jwt is measured over Node's bare check.")
    table.show()


def rejected(case: Case) -> None:
    """A megabyte from a stranger."""
    head, _, tail = case.token.split(".")
    huge = f"{head}.{'A' * 1_000_000}.{tail}"

    def rejecting(make: Callable[[Case, str], Callable[[], object]], url: str) -> Callable[[], object]:
        attempt = make(replace(case, token=huge), url)

        def call() -> None:
            with contextlib.suppress(Exception):
                attempt()

        return call

    with published(case.jwk) as url:
        contestants = [Contestant(name, per_call(rejecting(make, url), 5)) for name, make in VALIDATIONS]
        with contextlib.nullcontext() if missing() else replace(case, token=huge).in_node() as node:
            if node is not None:
                contestants.append(node.contestant("fast-jwt, key in hand", "refuse", 5))
            series = interleave(contestants, ROUNDS)
    table = Table("Refusing a token of one megabyte", "", "us", "goal", "")
    for one in series:
        goal = ("<= 20 us", verdict(one.median, GOAL_REFUSAL)) if one.name.startswith("roomkey") else ("", "")
        table.row(one.name, f"{one.median * 1e6:.1f}", *goal)
    table.note(f"Medians of {ROUNDS} interleaved rounds of 5 calls; the raising and the catching are part of it.")
    if missing():
        table.note(f"fast-jwt is left out: {missing()}.")
    table.show()


def main() -> None:
    cases = (rs256(), es256())
    for case in cases:
        compare(case)
    rejected(cases[0])


if __name__ == "__main__":
    main()
