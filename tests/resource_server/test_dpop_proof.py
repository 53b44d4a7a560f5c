"""A proof is for one request, one token and one moment, or it is rejected (RFC 9449 section 4.3)."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.resource_server.dpop_api import API, ORIGIN, URI
from tests.resource_server.rejections import reason
from tests.resource_server.test_fuzz import VALUES

import roomkey
from roomkey.jose import base64url
from roomkey.resource_server.dpop_proof import LARGEST_PROOF, ProofRules, RequestTarget, normal_path, read_target
from roomkey.testing import DPoPKey, FakeClock
from roomkey.testing.issuer_keys import ALGORITHMS

CLOCK, TOKEN = FakeClock(), "a.b.c"
KEY = DPoPKey(clock=CLOCK)
KEYS = {KEY.confirmation["jkt"]}
RULES = ProofRules(
    origins=frozenset([ORIGIN]), algorithms=frozenset(ALGORITHMS), lifetime=60.0, leeway=15.0, nonces=None
)


def validated(text: str) -> None:
    try:
        proof = RULES.verify(roomkey.DPoPRequest([text], method="GET", path="/orders"), TOKEN, KEYS, now=CLOCK.wall())
    except (roomkey.InvalidDPoPProof, roomkey.InvalidToken):
        return
    assert proof.key == KEY.confirmation["jkt"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_proof_may_be_signed_with_any_asymmetric_algorithm(api: API, algorithm: str) -> None:
    api.key = DPoPKey(algorithm, clock=api.clock)
    api.token = api.issuer.token(cnf=api.key.confirmation)
    assert api.get(api.proof()).subject == "reports"


@pytest.mark.parametrize(
    "htu",
    [
        URI,
        "HTTPS://ORDERS.EXAMPLE/orders",
        "https://orders.example:443/orders",
        f"{URI}?page=2",
        f"{URI}#top",
        f"{URI}?a=https://elsewhere.example/#b",
        "https://orders.example/%6Frders",
        "https://orders.example/./a/../orders",
    ],
)
def test_the_url_is_compared_in_its_normal_form_without_query_and_fragment(api: API, htu: str) -> None:
    assert api.get(api.proof(htu=htu))  # validator 45


@pytest.mark.parametrize(
    "htu",
    [
        "https://orders.example/orders/",
        "https://orders.example/Orders",
        "https://orders.example/orders/1",
        "https://orders.example//orders",
        "https://orders.example",
        "http://orders.example/orders",
        "https://orders.example:8443/orders",
        "https://elsewhere.example/orders",
        "https://orders.example.elsewhere.example/orders",
        "https://orders.example@elsewhere.example/orders",
        "https://me@orders.example/orders",
        "//orders.example/orders",
        "/orders",
        "https:/orders",
        "https://orders.example/orders ",
        "https://orders.example/ord\ners",
        "https://orders.example/ord\ters",
        "https://orders.exampl\u00e9/orders",
        "https://\uff4frders.example/orders",
        "https://[orders.example/orders",
        "https://orders.example:99999/orders",
        "javascript:alert(1)",
    ],
)
def test_a_proof_for_another_url_is_rejected(api: API, htu: str) -> None:  # validator 45
    assert api.rejection(api.proof(htu=htu)) == "wrong_target"


def test_every_origin_that_is_named_counts_and_no_other(api_with: Callable[..., API]) -> None:
    api = api_with(origins=["https://orders.example/", "https://ORDERS.example:8443", "http://[::1]:80"])
    for htu in (URI, "https://orders.example:8443/orders", "http://[::1]/orders"):
        assert api.get(api.proof(htu=htu))
    assert api.rejection(api.proof(htu="http://[::1]:8080/orders")) == "wrong_target"


def test_paths_are_compared_as_they_are_decoded(api: API) -> None:
    uri = f"{ORIGIN}/caf%C3%A9/a%2520b/%2e%2e/c"
    assert api.get(api.key.proof("GET", uri, api.token), path="/caf\u00e9/a%20b/../c")
    assert api.get(api.key.proof("GET", ORIGIN, api.token), path="/")
    assert api.rejection(api.key.proof("GET", uri, api.token), path="/caf\u00e9/c/d") == "wrong_target"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"htm": "POST"}, "wrong_method"),
        ({"htm": "get"}, "wrong_method"),
        ({"htm": None}, "claim_missing"),
        ({"htm": ["GET"]}, "claim_malformed"),
        ({"htu": None}, "claim_missing"),
        ({"htu": ""}, "claim_malformed"),
        ({"jti": None}, "claim_missing"),
        ({"jti": ""}, "claim_malformed"),
        ({"jti": 7}, "claim_malformed"),
        ({"ath": None}, "claim_missing"),
        ({"ath": "x"}, "wrong_token"),
        ({"ath": "\u00e9" * 43}, "wrong_token"),
        ({"ath": base64url.encode(hashlib.sha256(b"another").digest()).decode()}, "wrong_token"),
        ({"iat": None}, "claim_missing"),
        ({"iat": True}, "claim_malformed"),
        ({"iat": "1700000000"}, "claim_malformed"),
        ({"iat": 10**19}, "claim_malformed"),
        ({"iat": 0}, "wrong_time"),
        ({"header": {"typ": "JWT"}}, "wrong_type"),
        ({"header": {"typ": None}}, "wrong_type"),
        ({"header": {"typ": "at+jwt"}}, "wrong_type"),
        ({"header": {"alg": "none"}}, "algorithm_not_allowed"),
        ({"header": {"alg": "HS256"}}, "algorithm_not_allowed"),
        ({"header": {"alg": "RS256"}}, "key_refused"),
        ({"header": {"alg": None}}, "malformed"),
        ({"header": {"crit": ["b64"], "b64": False}}, "malformed"),
        ({"header": {"jwk": None}}, "key_refused"),
        ({"header": {"jwk": "x"}}, "key_refused"),
        ({"header": {"jwk": []}}, "key_refused"),
        ({"header": {"jwk": {"kty": "oct", "k": "c2VjcmV0" * 8}}}, "key_refused"),
        ({"header": {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}}, "key_refused"),
    ],
)
def test_a_proof_that_is_wrong_in_one_way_is_rejected(api: API, changes, expected) -> None:  # validator 45
    assert api.rejection(api.proof(**changes)) == expected


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth"])
def test_a_proof_that_gives_its_private_key_away_is_rejected(api: API, member: str) -> None:  # validator 45
    assert api.rejection(api.proof(header={"jwk": api.key.jwk | {member: "c2VjcmV0"}})) == "key_refused"


def test_a_key_that_is_meant_for_something_else_is_rejected(api: API) -> None:
    for change in ({"use": "enc"}, {"key_ops": ["sign"]}, {"alg": "ES384"}, {"crv": "P-384"}, {"y": api.key.jwk["x"]}):
        assert api.rejection(api.proof(header={"jwk": api.key.jwk | change})) == "key_refused"


def test_a_proof_of_another_key_is_rejected(api: API) -> None:  # validator 45
    other = DPoPKey(clock=api.clock)
    assert reason(lambda: api.get(other.proof("GET", URI, api.token))) == "bound_to_a_key"
    named = other.proof("GET", URI, api.token, header={"jwk": api.key.jwk})
    assert api.rejection(named) == "bad_signature"


def test_a_header_that_is_no_single_proof_is_rejected(api: API) -> None:  # validator 45
    proof = api.proof()
    assert api.rejection() == "proof_missing"
    assert api.rejection(proof, proof) == "two_proofs"
    assert api.rejection(*[proof] * 1000) == "two_proofs"
    head, body, tail = proof.split(".")
    for text in ("", ".", "..", f"{proof},{proof}", f"{proof}, {proof}", f" {proof}", f"{head}.{body}", f"{proof}="):
        assert api.rejection(text) == "malformed", text
    assert api.rejection(f"{head}.{body}.{tail[:-4]}AAAA") == "bad_signature"
    assert api.rejection(proof + "\u00e9") == "malformed"
    assert reason(lambda: api.validator.authorize([f"DPoP {api.token}"]), roomkey.InvalidDPoPProof) == "proof_missing"
    assert api.get(proof)


def test_a_proof_is_measured_before_it_is_read(api: API) -> None:
    assert api.rejection("a" * 1_000_000) == "too_large"
    assert api.rejection("." * 1_000_000) == "too_large"
    assert api.rejection(api.proof(jti="j" * 10_000)) == "too_large"
    assert len(api.proof(jti="j" * 5_000)) < LARGEST_PROOF
    assert api.get(api.proof(jti="j" * 5_000))
    assert api.get(api.proof(jti="\u6f22\U0001f511\x00\r\n"))


def test_a_proof_is_valid_for_its_lifetime_and_clocks_may_differ_by_the_leeway(api_with: Callable[..., API]) -> None:
    api = api_with(lifetime=60.0, leeway=10.0)
    made = api.clock.wall()
    for offset, good in ((69.0, True), (71.0, False), (-9.0, True), (-11.0, False)):
        proof = api.proof(iat=made - offset)
        if good:
            assert api.get(proof)
        else:
            assert api.rejection(proof) == "wrong_time"


@given(some.text() | some.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_any_string_is_rejected_as_a_proof(text: str) -> None:
    with pytest.raises(roomkey.InvalidDPoPProof):
        RULES.verify(roomkey.DPoPRequest([text], method="GET", path="/orders"), TOKEN, KEYS, now=CLOCK.wall())


@given(some.dictionaries(some.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce"]), VALUES, max_size=3))
def test_a_proof_with_any_claims_is_valid_or_rejected(changes: dict[str, object]) -> None:
    validated(KEY.proof("GET", URI, TOKEN, **changes))


@given(some.dictionaries(some.sampled_from(["alg", "typ", "kid", "crit", "jwk"]), VALUES, max_size=2))
def test_a_proof_with_any_header_is_valid_or_rejected(changes: dict[str, object]) -> None:
    validated(KEY.proof("GET", URI, TOKEN, header=changes))


@given(some.dictionaries(some.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "k"]), VALUES))
def test_a_proof_with_any_key_is_valid_or_rejected(changes: dict[str, object]) -> None:
    validated(KEY.proof("GET", URI, TOKEN, header={"jwk": KEY.jwk | changes}))


@given(some.text(max_size=60) | some.from_regex(r"https?://[^/?#]*(/[^?#]*)?(\?.*)?", fullmatch=True))
def test_any_url_is_read_or_it_is_none(uri: str) -> None:
    target = read_target(uri)
    if target is not None:
        assert target.path.startswith("/")
        assert read_target(target.origin) == RequestTarget(target.origin, "/")
    validated(KEY.proof("GET", uri, TOKEN))


@given(some.text(alphabet="/.ab%", max_size=20))
def test_a_normal_path_stays_as_it_is(path: str) -> None:
    normal = normal_path(path)
    assert normal_path(normal) == normal
    assert not {".", ".."} & set(normal.split("/"))


def test_no_arithmetic_is_done_with_a_key_that_the_token_is_not_bound_to(  # validator 45
    api: API, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verified(*_: object) -> None:
        raise AssertionError("a signature was checked")

    stranger = DPoPKey(clock=api.clock).proof("GET", URI, api.token)
    api.get(api.proof())  # the token is known from here on
    monkeypatch.setattr("roomkey.jose.verification_key.encode_dss_signature", verified)
    assert reason(lambda: api.get(stranger)) == "bound_to_a_key"
    with pytest.raises(AssertionError):
        api.get(api.proof())


def test_headers_are_several() -> None:
    with pytest.raises(TypeError, match="list of strings"):
        roomkey.DPoPRequest("a.b.c", method="GET", path="/orders")
