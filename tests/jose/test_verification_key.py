"""Which keys are taken, what each may verify, and what is said of the others."""

import json
import logging
import math
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.jose.tokens import ALGORITHM_OF, ANY, CURVES, SECRET, Absent, Key, encode, integer, mac, secret_jwk
from tests.support.leaks import LeakDetector

import roomkey
from roomkey.jose import KeySet, KeySetState, RejectedKey, verify_compact
from roomkey.jose.key_policy import edwards_problem, rsa_problem

RSA = Key("RSA", "rsa")
EC = Key("P-256", "ec")


def reason(token: str, keys: KeySet, algorithms: list[str] | None = None) -> str:
    with pytest.raises(roomkey.InvalidToken) as caught:
        verify_compact(token, keys, algorithms=algorithms or ANY)
    return caught.value.reason


def rejection(jwk: dict[str, Any]) -> str:
    """Why ``jwk`` is rejected: it is so alone, and beside a good key, which it does not spoil."""
    with pytest.raises(roomkey.ConfigurationError):
        KeySet.static(jwk)
    keys = KeySet.static({"keys": [jwk, EC.jwk()]})
    assert verify_compact(EC.token(), keys, algorithms=["ES256"]) == b"{}"
    (refused,) = keys.status().rejected
    assert refused.position == 0
    return refused.reason


# -- every algorithm ---------------------------------------------------------------------------------------------------

ASYMMETRIC = [
    *(("RSA", algorithm) for algorithm in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    *((curve, ALGORITHM_OF[curve]) for curve in CURVES),
    *(("Ed25519", name) for name in ("EdDSA", "Ed25519")),
    *(("Ed448", name) for name in ("EdDSA", "Ed448")),
]


@pytest.mark.parametrize(("kind", "algorithm"), ASYMMETRIC)
@pytest.mark.parametrize("bound", [True, False])
def test_each_algorithm_verifies_what_its_key_signed_and_nothing_else(kind: str, algorithm: str, bound: bool) -> None:
    key = Key(kind, algorithm=algorithm)
    keys = KeySet.static(key.jwk() if bound else key.jwk(alg=None))
    token = key.token(b"payload")
    assert verify_compact(token, keys, algorithms=[algorithm]) == b"payload"
    assert reason(Key(kind, name="another", algorithm=algorithm).token(b"payload"), keys) == "bad_signature"
    head, _, signature = token.split(".")
    assert reason(f"{head}.{encode(b'another')}.{signature}", keys) == "bad_signature"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_shared_secret_verifies_hmacs(algorithm: str) -> None:
    token = mac(algorithm=algorithm)
    for keys in (secret_jwk(), secret_jwk(alg=algorithm), roomkey.Secret("".join(map(chr, SECRET)))):
        assert verify_compact(token, KeySet.static(keys), algorithms=[algorithm]) == b"{}"
    assert reason(mac(SECRET[::-1], algorithm=algorithm), KeySet.static(secret_jwk())) == "bad_signature"


def test_a_key_verifies_with_its_own_algorithm_and_the_headers_and_the_callers() -> None:  # validator 4, 11
    bound, unbound = KeySet.static(RSA.jwk(alg="RS256")), KeySet.static(RSA.jwk(alg=None))
    pss = Key("RSA", "rsa", algorithm="PS256").token()
    assert reason(pss, bound) == "key_mismatch"
    assert reason(pss, unbound, ["RS256"]) == "algorithm_not_allowed"
    assert verify_compact(pss, unbound, algorithms=["PS256", "RS256"]) == b"{}"
    assert reason(RSA.token(alg="PS256"), unbound) == "bad_signature"
    assert reason(RSA.token(alg="RS384"), unbound) == "bad_signature"


@pytest.mark.parametrize("member", ["kid", "use", "alg", "key_ops", "x5c", "d", "oth"])
def test_null_members_of_a_jwk_are_absent_members(member: str) -> None:
    keys = KeySet.static(RSA.jwk(alg=None) | {member: None})
    assert verify_compact(RSA.token(), keys, algorithms=["RS256"]) == b"{}"


@pytest.mark.parametrize("header", ["ES384", "ES512", "ES256K", "RS256", "EdDSA", "HS256"])
def test_a_curve_is_for_one_algorithm(header: str) -> None:  # validator 9
    assert reason(EC.token(alg=header), KeySet.static(EC.jwk())) == "key_mismatch"
    assert reason(EC.token(alg=header), KeySet.static(EC.jwk(alg=None))) == "key_mismatch"


@pytest.mark.parametrize(("kind", "algorithm"), ASYMMETRIC)
def test_signatures_of_another_length_or_form_are_rejected(kind: str, algorithm: str) -> None:  # validator 8, 10
    key = Key(kind, algorithm=algorithm)
    keys = KeySet.static(key.jwk())
    signed = key.token().rpartition(".")[0]
    signature = key.sign(signed.encode())
    half = len(signature) // 2
    wrong = [signature[:-1], signature + b"\0", b"\0" + signature, signature * 2, bytes(len(signature)), b"\0"]
    wrong += [signature[half:] + signature[:half], bytes(half) + signature[half:], signature[:half] + bytes(half)]
    wrong += [b"\xff" * len(signature), bytes(half - 1) + b"\1" + bytes(half - 1) + b"\1"]
    wrong += [signature[:half] + b"\0" + signature[half:]]
    wrong += [b"\x30\x06\x02\x01\x01\x02\x01\x01"]
    assert verify_compact(f"{signed}.{encode(signature)}", keys, algorithms=[algorithm])
    for one in wrong:
        assert reason(f"{signed}.{encode(one)}", keys) == "bad_signature", one.hex()


# -- keys that are no keys for HMAC ------------------------------------------------------------------------------------


def shapes(key: Key) -> list[bytes]:
    public = key.private.public_key()
    pem = key.pem().encode()
    return [
        pem,
        pem.rstrip(),
        b"\n  " + pem,
        pem.replace(b"\n", b"\r\n"),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        json.dumps(key.jwk()).encode(),
        json.dumps({"keys": [key.jwk()]}).encode(),
    ]


@pytest.mark.parametrize("key", [RSA, EC], ids=["RSA", "EC"])
def test_a_public_key_is_never_a_secret_for_hmac(key: Key) -> None:  # validator 3
    for keys in (KeySet.static(key.jwk()), KeySet.static(key.pem()), KeySet.static({"keys": [key.jwk(alg=None)]})):
        for shape in shapes(key):
            assert reason(mac(shape, kid=key.kid), keys) in {"key_mismatch", "unknown_key"}


@pytest.mark.parametrize("key", [RSA, EC], ids=["RSA", "EC"])
def test_no_shape_of_a_public_key_can_be_given_as_a_secret(key: Key) -> None:  # validator 3
    pem, stripped, indented, windows, der, ssh, jwk, jwks = shapes(key)
    for text in (pem, stripped, indented, windows, ssh, jwk, jwks):
        with pytest.raises(roomkey.ConfigurationError):
            KeySet.static(roomkey.Secret(text.decode()))
    for raw in (der, ssh, der.hex().encode()):
        with pytest.raises(roomkey.ConfigurationError):
            KeySet.static(raw)
    for good in (pem, stripped, indented, windows, jwk, jwks):
        KeySet.static(good)
        KeySet.static(good.decode())


@pytest.mark.parametrize(
    "nothing", ["", b"", "   ", "a-secret-that-is-quite-long-enough-for-hmac-256", {}, {"keys": []}]
)
def test_what_is_no_key_is_a_mistake_of_the_configuration(nothing: Any) -> None:  # validator 5
    with pytest.raises(roomkey.ConfigurationError):
        KeySet.static(nothing)


@pytest.mark.parametrize("nothing", [None, 0, [], object(), 1.5])
def test_another_type_is_a_type_error(nothing: Any) -> None:  # validator 5
    with pytest.raises(TypeError):
        KeySet.static(nothing)
    with pytest.raises(TypeError):
        verify_compact(EC.token(), nothing, algorithms=["ES256"])


@pytest.mark.parametrize("wrong", [[], ["none"], ["ES256", "RSA-OAEP"], [None], [["ES256"]], "ES256", b"ES256", None])
def test_algorithms_are_known_names(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        verify_compact(EC.token(), KeySet.static(EC.jwk()), algorithms=wrong)


def test_a_token_that_is_no_string_is_a_type_error() -> None:
    for token in (None, EC.token().encode(), 1, []):
        with pytest.raises(TypeError):
            verify_compact(token, KeySet.static(EC.jwk()), algorithms=["ES256"])  # type: ignore[arg-type]


# -- weak, broken and foreign keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 31), ("HS384", 47), ("HS512", 62), ("HS512", 63)])
def test_a_secret_shorter_than_the_hash_is_rejected(algorithm: str, size: int) -> None:  # validator 6
    assert rejection(secret_jwk(SECRET[:size], alg=algorithm)) == "weak_key"
    assert reason(mac(SECRET[:size], algorithm=algorithm), KeySet.static(secret_jwk(SECRET[:32]))) != ""
    KeySet.static(secret_jwk(SECRET[: size + 2], alg=algorithm))


def test_a_secret_without_an_algorithm_is_for_hashes_that_are_no_longer_than_it_is() -> None:  # validator 6
    keys = KeySet.static(secret_jwk(SECRET[:50]))
    assert verify_compact(mac(SECRET[:50], algorithm="HS384"), keys, algorithms=ANY)
    assert reason(mac(SECRET[:50], algorithm="HS512"), keys) == "key_mismatch"
    assert rejection(secret_jwk(SECRET[:31])) == "weak_key"
    assert rejection(secret_jwk(b"")) == "weak_key"


N = RSA.private.public_key().public_numbers().n  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"n": integer(N >> 1024 | 1)}, "weak_key"),
        ({"n": integer(N >> 1 | 1)}, "weak_key"),
        ({"n": integer(N + 1)}, "weak_key"),
        ({"n": integer(1 << 8192 | 1)}, "oversized_key"),
        ({"e": integer(1)}, "weak_key"),
        ({"e": integer(3)}, "weak_key"),
        ({"e": integer(2**16)}, "weak_key"),
        ({"e": integer(65_538)}, "weak_key"),
        ({"e": integer(2**256 + 1)}, "oversized_key"),
        ({"n": None}, "malformed"),
        ({"n": ""}, "weak_key"),
        ({"n": 65_537}, "malformed"),
        ({"n": "A" * 1_000_000}, "malformed"),
        ({"n": integer(N) + "="}, "malformed"),
        ({"e": "AQAB\n"}, "malformed"),
        ({"e": "é"}, "malformed"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_an_rsa_key_that_is_weak_or_costly_is_rejected(changes: dict[str, Any], why: str) -> None:  # validator 7
    assert rejection(RSA.jwk(**changes)) == why


def test_the_smallest_and_the_largest_rsa_key_are_taken() -> None:  # validator 7
    assert rsa_problem(1 << 2047 | 1, 65_537) == ""
    assert rsa_problem((1 << 8192) - 1, 65_539) == ""
    assert KeySet.static(Key("RSA-3072").jwk()).status().keys == 1


def test_a_modulus_of_a_broken_smart_card_is_rejected() -> None:  # validator 7
    primes = [n for n in range(3, 168) if all(n % divisor for divisor in range(2, n))]
    product = math.prod(primes)
    modulus = pow(65_537, 1_234_567, product) + product * ((1 << 2_047) // product + 1)
    modulus += 0 if modulus & 1 else product
    assert rsa_problem(modulus, 65_537) == "roca"
    assert rsa_problem(modulus + 2, 65_537) == ""
    assert rsa_problem(N, 65_537) == ""


X, Y = EC.jwk()["x"], EC.jwk()["y"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"y": X}, "invalid_point"),
        ({"x": encode(bytes(32)), "y": encode(bytes(32))}, "invalid_point"),
        ({"x": encode(b"\xff" * 32)}, "invalid_point"),
        ({"crv": "P-384", "alg": None}, "malformed"),
        ({"crv": "secp256k1", "alg": None}, "invalid_point"),
        ({"crv": "P-224"}, "unsupported_curve"),
        ({"crv": None}, "unsupported_curve"),
        ({"crv": 256}, "malformed"),
        ({"x": encode(bytes(33))}, "malformed"),
        ({"x": encode(b"\1" * 31)}, "malformed"),
        ({"x": None}, "malformed"),
        ({"y": ["a"]}, "malformed"),
        ({"kty": "RSA"}, "malformed"),
        ({"kty": "OKP", "alg": None}, "unsupported_curve"),
        ({"kty": "ec"}, "unsupported_key_type"),
        ({"kty": None}, "unsupported_key_type"),
        ({"kty": 5}, "malformed"),
        ({"kid": 5}, "malformed"),
        ({"kid": "x" * 257}, "malformed"),
        ({"alg": "ES384"}, "algorithm_mismatch"),
        ({"alg": "RS256"}, "algorithm_mismatch"),
        ({"alg": "HS256"}, "algorithm_mismatch"),
        ({"alg": 256}, "malformed"),
        ({"alg": "none"}, "unsupported_algorithm"),
        ({"alg": "ES521"}, "unsupported_algorithm"),
        ({"alg": "ECDH-ES"}, "unsupported_algorithm"),
        ({"alg": "A256GCM"}, "unsupported_algorithm"),
        ({"alg": "A256KW"}, "unsupported_algorithm"),
        ({"alg": "RSA1_5"}, "unsupported_algorithm"),
        ({"use": "enc"}, "not_for_signatures"),
        ({"use": "SIG"}, "not_for_signatures"),
        ({"use": ["sig"]}, "malformed"),
        ({"key_ops": ["encrypt"]}, "not_for_signatures"),
        ({"key_ops": ["sign"]}, "not_for_signatures"),
        ({"key_ops": []}, "not_for_signatures"),
        ({"key_ops": "verify"}, "malformed"),
        ({"key_ops": [1]}, "malformed"),
        ({"d": encode(bytes(32))}, "private_key"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)  # validator 9, 12, 14, 16
def test_a_key_that_is_wrong_or_for_something_else_is_rejected_alone(changes: dict[str, Any], why: str) -> None:
    assert rejection(EC.jwk(**changes)) == why


@pytest.mark.parametrize("kind", ["Ed25519", "Ed448"])
def test_an_edwards_point_that_is_none_or_lets_anyone_sign_is_rejected(kind: str) -> None:  # validator 9
    key, size = Key(kind), {"Ed25519": 32, "Ed448": 57}[kind]
    prime = {"Ed25519": 2**255 - 19, "Ed448": 2**448 - 2**224 - 1}[kind]

    def refused(y: int) -> str:
        return rejection(key.jwk(x=encode(y.to_bytes(size, "little"))))

    assert {refused(y) for y in (0, 1, prime - 1)} == {"weak_key"}
    assert {refused(y) for y in (prime, prime + 1)} == {"invalid_point"}
    some = [edwards_problem(y.to_bytes(size, "little")) for y in range(2, 60)]
    assert set(some) == {"", "invalid_point"}
    assert refused(2 + some.index("invalid_point")) == "invalid_point"
    assert rejection(key.jwk(x=encode(bytes(size + 1)))) == "malformed"
    assert rejection(key.jwk(crv="Ed448" if kind == "Ed25519" else "Ed25519", alg=None)) == "malformed"
    assert rejection(key.jwk(crv="X25519", alg=None)) == "unsupported_curve"
    assert rejection(key.jwk(alg="Ed448" if kind == "Ed25519" else "Ed25519")) == "algorithm_mismatch"


def test_a_set_says_which_keys_it_rejects_and_why_and_shows_no_key(
    caplog: pytest.LogCaptureFixture,
) -> None:  # validator 14
    caplog.set_level(logging.WARNING)
    secret = secret_jwk(b"a short secret", kid="short\r\nforged line")
    keys = KeySet.static({"keys": [secret, EC.jwk(), "a text", {"kty": "oct"}, RSA.jwk(d="AQAB")]})
    status = keys.status()
    assert (status.state, status.keys) == (KeySetState.FIXED, 1)
    assert status.rejected == (
        RejectedKey(0, "short\r\nforged line", "weak_key"),
        RejectedKey(2, None, "malformed"),
        RejectedKey(3, None, "malformed"),
        RejectedKey(4, "rsa", "private_key"),
    )
    assert len(caplog.records) == 4
    assert "forged line" not in caplog.text
    leaks = LeakDetector(["a short secret", secret["k"], X])
    leaks.assert_clean(keys, status, caplog.text, *status.rejected)


def test_an_error_of_the_configuration_shows_no_secret_in_its_traceback() -> None:
    for given in (roomkey.Secret("only-thirty-one-characters-long"), secret_jwk(b"only-thirty-one-characters-long")):
        with pytest.raises(roomkey.ConfigurationError) as caught:
            KeySet.static(given)
        LeakDetector(["only-thirty-one-characters-long"]).assert_clean(caught.value)


def private_pem(key: Key) -> str:
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_pem_is_validated_as_a_jwk_is() -> None:  # validator 7, 14
    small = rsa.generate_private_key(65_537, 1_024).public_key()
    texts = {
        "private_key": private_pem(EC),
        "weak_key": small.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "malformed": EC.pem().replace("MFk", "MFl"),
    }
    for why, text in texts.items():
        with pytest.raises(roomkey.ConfigurationError, match=why):
            KeySet.static(text)
    for kind in ("RSA", *CURVES, "Ed25519", "Ed448"):
        key = Key(kind)
        assert verify_compact(key.token(), KeySet.static(key.pem()), algorithms=ANY) == b"{}"


def test_a_jwk_or_a_set_with_a_member_twice_is_rejected() -> None:  # validator 30
    text = json.dumps(EC.jwk())
    twice = text.replace('{"kty"', '{"kty": "RSA", "kty"')
    with pytest.raises(roomkey.ConfigurationError):
        KeySet.static(twice)
    with pytest.raises(roomkey.ConfigurationError):
        KeySet.static(f'{{"keys": [], "keys": [{text}]}}')
    keys = KeySet.static(f'{{"keys": [{twice}, {text}]}}')
    assert [one.reason for one in keys.status().rejected] == ["malformed"]
    assert verify_compact(EC.token(), keys, algorithms=ANY)


# -- which key ---------------------------------------------------------------------------------------------------------


def test_keys_that_share_a_name_are_reported_apart_by_algorithm() -> None:  # validator 15
    keys = KeySet.static({"keys": [RSA.jwk(kid="same"), EC.jwk(kid="same"), EC.jwk(kid="same", use="enc")]})
    assert verify_compact(RSA.token(kid="same"), keys, algorithms=ANY)
    assert verify_compact(EC.token(kid="same"), keys, algorithms=ANY)


@pytest.mark.parametrize(("count", "verifies"), [(2, True), (4, True), (5, False)])
def test_up_to_four_keys_of_one_name_and_algorithm_are_tried(count: int, verifies: bool) -> None:  # validator 15
    same = [Key(kid="same", name=f"same-{number}") for number in range(count)]
    keys = KeySet.static({"keys": [key.jwk() for key in same]})
    if verifies:
        assert all(verify_compact(key.token(), keys, algorithms=ANY) for key in same)
        assert reason(Key(kid="same", name="stranger").token(), keys) == "bad_signature"
    else:
        assert {reason(key.token(), keys) for key in same} == {"ambiguous_key"}


def test_the_same_key_twice_is_one_key() -> None:  # validator 15
    assert KeySet.static({"keys": [EC.jwk()] * 6}).status().keys == 1


def test_two_secrets_of_one_name_are_both_rejected_even_where_one_is_malformed() -> None:  # validator 15
    for other in (secret_jwk(SECRET[::-1]), secret_jwk(k="not base64url!"), secret_jwk(SECRET[::-1], alg="HS512")):
        keys = KeySet.static({"keys": [secret_jwk(), other, EC.jwk()]})
        assert reason(mac(), keys) == "unknown_key"
        assert "ambiguous_kid" in {one.reason for one in keys.status().rejected}


def test_without_a_name_there_must_be_one_key_for_the_algorithm() -> None:  # validator 19
    other = Key("P-256", "ec2")
    nameless = EC.token(kid=Absent)
    assert verify_compact(nameless, KeySet.static({"keys": [RSA.jwk(), EC.jwk()]}), algorithms=ANY)
    assert reason(nameless, KeySet.static({"keys": [EC.jwk(), other.jwk()]})) == "ambiguous_key"
    assert reason(nameless, KeySet.static(RSA.jwk())) == "unknown_key"


def test_a_set_without_names_answers_to_every_name() -> None:
    assert verify_compact(EC.token(kid="anything"), KeySet.static(EC.jwk(kid=None)), algorithms=ANY)
    two = KeySet.static({"keys": [EC.jwk(kid=None), Key(kid="b").jwk(kid=None)]})
    assert reason(EC.token(kid="anything"), two) == "ambiguous_key"
    mixed = KeySet.static({"keys": [EC.jwk(kid=None), RSA.jwk()]})
    assert reason(EC.token(kid="anything"), mixed) == "unknown_key"


def test_keys_of_one_issuer_never_verify_a_token_of_another() -> None:  # validator 37
    ours, theirs = Key(kid="same", name="ours"), Key(kid="same", name="theirs")
    our_keys, their_keys = KeySet.static(ours.jwk()), KeySet.static(theirs.jwk())
    for _ in range(2):  # the second time the header is known
        assert verify_compact(ours.token(), our_keys, algorithms=ANY)
        assert verify_compact(theirs.token(), their_keys, algorithms=ANY)
        assert reason(theirs.token(), our_keys) == "bad_signature"
        assert reason(ours.token(), their_keys) == "bad_signature"


def test_a_rejected_token_stands_in_no_error(leaks: LeakDetector) -> None:  # validator 28, 44
    keys = KeySet.static(EC.jwk())
    for token in (EC.token(kid="another-kid"), EC.token()[:-6], Key(kid="evil").token(kid="ec"), "x.y.z" * 40):
        leaks.plant(token)
        with pytest.raises(roomkey.InvalidToken) as caught:
            verify_compact(token, keys, algorithms=ANY)
        leaks.assert_clean(caught.value)
        assert "another-kid" not in str(caught.value)
        assert caught.value.__context__ is None
