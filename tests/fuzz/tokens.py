"""Coverage-guided fuzzing of everything that reads a token before it is trusted: `make fuzz`, or this file by hand.

Bytes become a token in one of two ways: as they are, or as header and payload that are then signed rightly, so that the
checks behind the signature are met too. Whatever comes in, only roomkey's own errors may come out, and a token that is
taken must be the only way to write it.
"""

import json
import sys

import atheris

with atheris.instrument_imports(include=["roomkey"]):
    import roomkey
    from roomkey.jose import KeySet, base64url, verify_compact
    from roomkey.jose.compact import read_unverified
    from roomkey.jose.verification_key import ALGORITHMS
    from roomkey.resource_server.validator import TokenValidator

import hashlib
import hmac

SECRET = "fuzz" * 16
KEYS = KeySet.static(roomkey.Secret(SECRET))
ISSUER = "https://auth.example"
HEADER = {"alg": "HS256", "typ": "at+jwt"}
CLAIMS = {
    "iss": ISSUER, "aud": "orders", "sub": "s", "client_id": "c", "jti": "j", "iat": 1, "exp": 253402300799,
    "scope": "orders:read", "roles": ["reader"], "tenant": "acme",
}  # fmt: skip
STRICT = TokenValidator(issuer=ISSUER, audience="orders", keys=KEYS, algorithms=["HS256"])
LENIENT = TokenValidator(issuer=ISSUER, audience=None, keys=KEYS, algorithms=["HS256"], profile="jwt")


def signed(header: bytes, payload: bytes) -> str:
    data = base64url.encode(header) + b"." + base64url.encode(payload)
    return (data + b"." + base64url.encode(hmac.digest(SECRET.encode(), data, hashlib.sha256))).decode()


def changed(data: atheris.FuzzedDataProvider, members: dict[str, object]) -> bytes:
    """``members`` with the input in place of one value, or the input itself."""
    if data.ConsumeIntInRange(0, 7) == 0:
        return data.ConsumeBytes(data.remaining_bytes())
    name = data.PickValueInList([*members, "nbf", "cnf", "crit", "kid", "status", "azp"])
    before, _, after = json.dumps(members | {name: "HERE"}).encode().partition(b'"HERE"')
    quoted = data.ConsumeBool()
    value = data.ConsumeBytes(data.remaining_bytes())
    return before + (json.dumps(value.decode("latin-1")).encode() if quoted else value) + after


def token_of(data: atheris.FuzzedDataProvider) -> str:
    kind = data.ConsumeIntInRange(0, 7)
    if kind == 0:
        return str(data.ConsumeUnicode(data.remaining_bytes()))
    if kind < 3:
        return signed(changed(data, HEADER), json.dumps(CLAIMS).encode())
    return signed(json.dumps(HEADER).encode(), changed(data, CLAIMS))


def one_input(raw: bytes) -> None:
    token = token_of(atheris.FuzzedDataProvider(raw))
    read_unverified(token)
    try:
        payload = verify_compact(token, KEYS, algorithms=ALGORITHMS)
    except roomkey.InvalidToken:
        payload = None
    else:
        assert signed(base64url.decode(token.split(".")[0].encode()) or b"", payload) == token or "HS256" not in token
    for validator in (STRICT, LENIENT):
        try:
            claims = validator.validate(token)
        except roomkey.AccessError:
            continue
        assert payload is not None, "taken without a right signature"
        assert claims["iss"] == ISSUER
        assert validator is LENIENT or "orders" in (
            [claims["aud"]] if isinstance(claims["aud"], str) else claims["aud"]
        )


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
