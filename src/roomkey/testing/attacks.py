"""Tokens that every API must reject, each wrong in one way: for your own tests of your own API.

>>> from roomkey.testing import Issuer, attack_tokens
>>> with Issuer() as issuer:
...     names = [attack.name for attack in attack_tokens(issuer)]
>>> "alg none" in names
True
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from roomkey.jose import base64url
from roomkey.jose.signing_key import SigningKey
from roomkey.secret import Confidential
from roomkey.testing.issuer_keys import jwk_of, process_key, without_none

if TYPE_CHECKING:
    from roomkey.testing.issuer import Issuer

Members = dict[str, Any]
_YEAR: Final = 31_536_000


@dataclass(frozen=True, slots=True, repr=False)
class AttackToken(Confidential):
    """A token that must be rejected; its repr shows ``name``, which says what is wrong with it, not the ``token``."""

    name: str
    token: str

    def __repr__(self) -> str:
        return f"AttackToken({self.name!r})"


def attack_tokens(issuer: "Issuer") -> Iterator[AttackToken]:
    """Tokens for the audience of ``issuer`` that an API which trusts it must reject with 401 (or 400), never with 500.

    An API that asks for RFC 9068 (``profile="at+jwt"``) rejects all of them.
    """
    for make in (_algorithms, _foreign_keys, _headers, _forms, _payloads, _claims):
        for name, token in make(issuer).items():
            yield AttackToken(name, token)


def _valid(issuer: "Issuer") -> tuple[Members, Members]:
    now = int(issuer.wall())
    header = {"alg": issuer.keys.signing.algorithm, "typ": "at+jwt", "kid": issuer.keys.signing.key_id}
    claims = {
        "iss": issuer.url,
        "sub": "reports",
        "aud": issuer.audience,
        "client_id": "reports",
        "scope": "orders:read",
        "jti": "1",
        "iat": now,
        "exp": now + 300,
    }
    return header, claims


def _algorithms(issuer: "Issuer") -> dict[str, str]:
    header, claims = _valid(issuer)
    pem = process_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = process_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    jwk = issuer.keys.published[0]
    secrets = {
        "PEM": pem,
        "PEM after a line end": b"\n" + pem,
        "PEM without its last line end": pem.rstrip(),
        "DER": der,
        "JWK": json.dumps(jwk).encode(),
        "JWK set": json.dumps({"keys": [jwk]}).encode(),
        "empty secret": b"",
    }
    tokens = {f"HS256 keyed with the public key as {name}": _mac(header, claims, key) for name, key in secrets.items()}
    for alg in ("none", "None", "NONE", "nOnE", ""):
        tokens[f"alg {alg or 'empty'}"] = _joined(header | {"alg": alg}, claims, b"")
        tokens[f"alg {alg or 'empty'} with a signature"] = _joined(header | {"alg": alg}, claims, b"x" * 64)
    asymmetric = {"ES256", "ES384", "RS256", "PS256", "EdDSA", "ES256K"} - {header["alg"]}
    for other in (None, ["ES256"], 256, {"ES256": 1}, *sorted(asymmetric), "HS512", "es256"):
        name = f"alg {json.dumps(other)} over a signature of another one"
        tokens[name] = issuer.keys.forge(header | {"alg": other}, claims)
    without = {name: value for name, value in header.items() if name != "alg"}
    tokens["no alg"] = issuer.keys.forge(without, claims)
    return tokens


def _foreign_keys(issuer: "Issuer") -> dict[str, str]:
    header, claims = _valid(issuer)
    private = ec.generate_private_key(ec.SECP256R1())
    own = SigningKey(private, algorithm="ES256")
    jwk = jwk_of(private)

    def signed(**changes: Any) -> str:
        members = header | {"alg": "ES256"} | changes
        return _joined(members, claims, own.signature)

    valid = issuer.keys.forge(header, claims)
    head, body, _ = valid.split(".")
    return {
        "a foreign key under the issuer's kid": signed(),
        "a foreign key in the header": signed(jwk=jwk),
        "a foreign key in the header, without kid": signed(kid="", jwk=jwk),
        "a foreign key behind jku": signed(jku="https://attacker.example/jwks"),
        "a foreign key behind x5u": signed(x5u="https://attacker.example/cert"),
        "a kid that is a path": signed(kid="../../../../dev/null"),
        "a kid that is SQL": signed(kid="' UNION SELECT 'secret"),
        "a kid with line ends": signed(kid="a\r\nX-Injected: 1"),
        "a kid with NUL": signed(kid="a\0b"),
        "a kid of 10 kB": signed(kid="k" * 10_000),
        "a kid that is a number": issuer.keys.forge(header | {"kid": 1}, claims),
        "a kid that is null": issuer.keys.forge(header | {"kid": None}, claims),
        "a signature of zeros": f"{head}.{body}.{base64url.encode(bytes(64)).decode()}",
        "a signature that is DER": _joined(header, claims, lambda data: _der(issuer, data)),
        "half a signature": _joined(header, claims, lambda data: issuer.keys.signing.signature(data)[:32]),
        "no signature": f"{head}.{body}.",
        "another payload under the signature": f"{head}.{_encoded(claims | {'sub': 'admin'})}.{valid.split('.')[2]}",
    }


def _headers(issuer: "Issuer") -> dict[str, str]:
    header, claims = _valid(issuer)
    changes: dict[str, Members] = {
        "an unknown crit": {"crit": ["exp"], "exp": 1},
        "an empty crit": {"crit": []},
        "a crit that is no list": {"crit": "b64"},
        "b64 false": {"b64": False, "crit": ["b64"]},
        "b64 false without crit": {"b64": False},
        "zip": {"zip": "DEF"},
        "typ JWT": {"typ": "JWT"},
        "no typ": {"typ": None},
        "typ dpop+jwt": {"typ": "dpop+jwt"},
        "typ logout+jwt": {"typ": "logout+jwt"},
        "typ secevent+jwt": {"typ": "secevent+jwt"},
        "typ statuslist+jwt": {"typ": "statuslist+jwt"},
        "typ a list": {"typ": ["at+jwt"]},
    }
    return {name: issuer.keys.forge(without_none(header | change), claims) for name, change in changes.items()}


def _forms(issuer: "Issuer") -> dict[str, str]:
    header, claims = _valid(issuer)
    valid = issuer.keys.forge(header, claims)
    head, body, tail = valid.split(".")
    twin = tail[:-1] + chr(ord(tail[-1]) + 1)
    return {
        "padding": valid + "==",
        "a space before": " " + valid,
        "a line end after": valid + "\n",
        "a character that is not ASCII": valid + "\u00e9",
        "another last character for the same bytes": f"{head}.{body}.{twin}",
        "two segments": f"{head}.{body}",
        "four segments": f"{valid}.{tail}",
        "five segments (JWE)": f"{valid}.{tail}.{tail}",
        "nothing but dots": "." * 100_000,
        "empty segments": "..",
        "JSON serialization": json.dumps({"protected": head, "payload": body, "signature": tail}),
        "JSON in front of a compact token": '{"payload":"x"}' + valid,
        "a megabyte": f"{head}.{'A' * 1_000_000}.{tail}",
    }


def _payloads(issuer: "Issuer") -> dict[str, str]:
    header, claims = _valid(issuer)
    text = json.dumps(claims)
    payloads: dict[str, bytes] = {
        "a claim twice": (text[:-1] + ', "sub": "admin"}').encode(),
        "NaN": text.replace(f'"exp": {claims["exp"]}', '"exp": NaN').encode(),
        "Infinity": text.replace(f'"exp": {claims["exp"]}', '"exp": Infinity').encode(),
        "1e400": text.replace(f'"exp": {claims["exp"]}', '"exp": 1e400').encode(),
        "an integer of 5,000 digits": text.replace(f'"exp": {claims["exp"]}', f'"exp": {"9" * 5000}').encode(),
        "UTF-16": text.encode("utf-16"),
        "a byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "invalid UTF-8": text[:-1].encode() + b', "x": "\xff"}',
        "nested 5,000 deep": text[:-1].encode() + b', "x": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        "a list": f"[{text}]".encode(),
        "no JSON": b"sub=reports",
        "nothing": b"",
    }
    tokens = {f"payload: {name}": issuer.keys.forge(header, payload) for name, payload in payloads.items()}
    doubled = (json.dumps(header)[:-1] + f', "alg": "{header["alg"]}"}}').encode()
    return tokens | {"a header member twice": issuer.keys.forge(doubled, claims)}


def _claims(issuer: "Issuer") -> dict[str, str]:
    header, claims = _valid(issuer)
    now, audience = int(issuer.wall()), issuer.audience
    changes: dict[str, Members] = {
        "expired": {"exp": now - _YEAR},
        "no exp": {"exp": None},
        "exp a string": {"exp": str(now + 300)},
        "exp in Arabic digits": {"exp": "\u0669" * 10},
        "exp true": {"exp": True},
        "exp a list": {"exp": [now + 300]},
        "exp after the year 9999": {"exp": 10**15},
        "nbf ahead": {"nbf": now + _YEAR},
        "nbf a string": {"nbf": "0"},
        "iat a string": {"iat": "0"},
        "no aud": {"aud": None},
        "another aud": {"aud": "billing-api"},
        "aud in capitals": {"aud": audience.upper()},
        "aud with a slash": {"aud": audience + "/"},
        "aud longer": {"aud": audience + "-2"},
        "aud shorter": {"aud": audience[:-1]},
        "aud an object": {"aud": {audience: True}},
        "aud a list in a list": {"aud": [[audience]]},
        "aud of mixed kinds": {"aud": [audience, 1]},
        "aud empty": {"aud": []},
        "another iss": {"iss": "https://attacker.example"},
        "no iss": {"iss": None},
        "iss a list": {"iss": [issuer.url]},
        "iss with a slash": {"iss": issuer.url + "/"},
        "iss in capitals": {"iss": issuer.url.upper()},
        "iss longer": {"iss": issuer.url + ".attacker.example"},
        "sub a number": {"sub": 1},
        "client_id an object": {"client_id": {}},
        "jti a list": {"jti": ["1"]},
        "scope a list": {"scope": ["orders:read"]},
        "scope an object": {"scope": {"orders:read": True}},
        "bound to a key, sent as Bearer": {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
        "bound to a certificate, sent without": {"cnf": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}},
        "bound to something unknown": {"cnf": {"osc": {}}},
    }
    return {
        f"claims: {name}": issuer.keys.forge(header, without_none(claims | change)) for name, change in changes.items()
    }


def _joined(header: Members, claims: Members, signature: bytes | Callable[[bytes], bytes]) -> str:
    signed = f"{_encoded(header)}.{_encoded(claims)}"
    made = signature if isinstance(signature, bytes) else signature(signed.encode())
    return f"{signed}.{base64url.encode(made).decode()}"


def _mac(header: Members, claims: Members, secret: bytes) -> str:
    return _joined(header | {"alg": "HS256"}, claims, lambda data: hmac.digest(secret, data, hashlib.sha256))


def _der(issuer: "Issuer", data: bytes) -> bytes:
    raw = issuer.keys.signing.signature(data)
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))


def _encoded(members: Members) -> str:
    return base64url.encode(json.dumps(members).encode()).decode()
