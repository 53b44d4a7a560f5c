"""The compact form, and everything that only looks like it."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.jose.tokens import ANY, Absent, Key, encode

import roomkey
from roomkey.jose import KeySet, base64url, compact, verify_compact
from roomkey.jose.compact import read_claims, read_compact

KEY = Key()
KEYS = KeySet.static(KEY.jwk())
GOOD = KEY.token({"sub": "alice"})


def reason(token: str) -> str:
    with pytest.raises(roomkey.InvalidToken) as caught:
        verify_compact(token, KEYS, algorithms=ANY)
    return caught.value.reason


def with_header(**members: object) -> str:
    return KEY.token(b"{}", **members)


def test_a_valid_token_gives_its_payload() -> None:
    assert json.loads(verify_compact(GOOD, KEYS, algorithms=["ES256"])) == {"sub": "alice"}


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", "hs256", "ES256 ", "RSA-OAEP"])
@pytest.mark.parametrize("signature", ["", "anVuaw"])
def test_an_algorithm_that_is_none_or_unknown_is_rejected_before_a_key_is_looked_for(
    alg: str, signature: str
) -> None:  # validator 1
    class Untouched:
        def find(self, header: object) -> object:
            raise AssertionError("a key was looked for")

        find_cached = holds = find

    keys = KeySet(Untouched())  # type: ignore[arg-type]
    token = f"{encode({'alg': alg, 'kid': 'k1'})}.e30.{signature}"
    with pytest.raises(roomkey.InvalidToken) as caught:
        verify_compact(token, keys, algorithms=ANY)
    assert caught.value.reason == ("algorithm_not_allowed" if signature else "malformed")


@pytest.mark.parametrize("alg", [Absent, None, ["ES256"], {"ES256": 1}, 256, True, "E" * 300])
def test_an_algorithm_that_is_no_string_is_rejected(alg: object) -> None:  # validator 2
    assert reason(with_header(alg=alg)) == "malformed_header"


@pytest.mark.parametrize("crit", [["exp"], ["alg"], ["b64"], [], ["exp", "exp"], "exp", [1], None, {}, ["nowhere"]])
def test_critical_extensions_are_rejected_whatever_they_are(crit: object) -> None:  # validator 20
    assert reason(with_header(crit=crit, exp=1)) == "unsupported_header"


@pytest.mark.parametrize("more", [{"b64": False}, {"b64": False, "crit": ["b64"]}, {"b64": True}, {"zip": "DEF"}])
def test_unencoded_and_packed_payloads_are_rejected(more: dict[str, object]) -> None:  # validator 21, 22
    assert reason(with_header(**more)) == "unsupported_header"


@pytest.mark.parametrize("member", ["kid", "typ"])
@pytest.mark.parametrize("value", [None, 1, [], {}, True, "x" * 257, "x" * 5_000])
def test_names_and_types_are_short_strings(member: str, value: object) -> None:  # validator 19
    assert reason(with_header(**{member: value})) == "malformed_header"


@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1 --", "k1\r\nX: 1", "k1\0", "K1", "k1 ", "", "x" * 256])
def test_a_name_is_compared_and_nothing_else(kid: str) -> None:  # validator 19
    assert reason(with_header(kid=kid)) == "unknown_key"


def test_an_unencoded_payload_is_rejected_before_it_is_read() -> None:  # validator 21
    head, _, signature = with_header(b64=False).split(".")
    assert reason(f"{head}.$1{signature[:2]}.{signature}") == "unsupported_header"


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def spoilt(segment: str) -> list[str]:
    """``segment`` in other forms that a careless decoder reads as the same bytes, or reads at all."""
    inside = [segment[:4] + odd + segment[5:] for odd in ("+", "/", "é", "\u2013", "\ud800", "\0", "%41", "\n")]
    around = [segment + "=", segment + "==", " " + segment, segment + " ", segment + "\n"]
    cut = segment + "A" * (1 + (-len(segment)) % 4)  # one character that is no whole byte
    rest = len(segment) % 4
    twins = [segment[:-1] + ALPHABET[ALPHABET.index(segment[-1]) + 1]] if rest else []  # only unused bits differ
    return [*inside, *around, cut, *twins]


def variants() -> list[str]:
    parts = GOOD.split(".")
    changed = [
        ".".join((*parts[:index], wrong, *parts[index + 1 :]))
        for index, segment in enumerate(parts)
        for wrong in spoilt(segment)
    ]
    return [*changed, "\ufeff" + GOOD, GOOD + "\r\n", " " + GOOD, GOOD.replace(".", "\uff0e"), GOOD.upper()]


@pytest.mark.parametrize("token", variants(), ids=lambda _: "form")
def test_a_token_has_one_form_only(token: str) -> None:  # validator 24
    assert reason(token) in {"malformed", "malformed_header"}


@given(st.binary(max_size=60))
def test_base64url_reads_what_it_writes(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data
    assert base64url.encode(data) == base64.urlsafe_b64encode(data).rstrip(b"=")


@given(st.text("AZaz09-_+/= \n\0.", max_size=12).map(str.encode) | st.binary(max_size=12))
def test_base64url_reads_nothing_else(text: bytes) -> None:  # validator 24
    data = base64url.decode(text)
    assert data is None or base64url.encode(data) == text


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        GOOD + ".",
        "." + GOOD,
        GOOD.rpartition(".")[0],
        GOOD.rpartition(".")[0] + ".",
        "." + GOOD.partition(".")[2],
        GOOD + "." + GOOD,
        "e30." * 4 + "e30",
        json.dumps({"payload": "e30", "protected": GOOD.split(".")[0], "signature": GOOD.split(".")[2]}),
        json.dumps({GOOD: {"payload": "e30", "signatures": []}}),
        '{"' + GOOD + '":1}',
    ],
    ids=lambda _: "form",
)
def test_what_has_not_three_segments_is_rejected(token: str) -> None:  # validator 25, 26, 27
    assert reason(token) in {"malformed", "malformed_header"}


@pytest.mark.parametrize(
    "token",
    ["." * 1_000_000, "x" * 1_000_000, "é" * 1_000_000, GOOD + "A" * 16_384],
    ids=["dots", "letters", "wide letters", "a long signature"],
)
def test_what_is_too_large_is_rejected_before_anything_is_read(token: str) -> None:  # validator 25, 28
    best = min(_seconds(token) for _ in range(20))
    assert best < 0.000_2  # reading a megabyte takes longer, whatever else this machine does


def _seconds(token: str) -> float:
    started = time.thread_time()
    assert reason(token) == "too_large"
    return time.thread_time() - started


def test_the_largest_token_passes_and_one_byte_more_does_not() -> None:  # validator 28
    room = compact.LARGEST_TOKEN - len(KEY.token(b""))
    token = KEY.token(b"x" * (room * 3 // 4))
    assert len(token) <= compact.LARGEST_TOKEN
    assert len(verify_compact(token, KEYS, algorithms=["ES256"])) == room * 3 // 4
    assert reason(KEY.token(b"x" * (room * 3 // 4 + 3))) == "too_large"


def test_a_header_of_more_than_8_kib_is_rejected() -> None:  # validator 28
    assert reason(with_header(x5c="x" * 8_000)) == "too_large"
    assert verify_compact(with_header(x5c="x" * 5_000), KEYS, algorithms=["ES256"]) == b"{}"


HEADER = '{"alg":"ES256","kid":"k1"}'


@pytest.mark.parametrize(
    "header",
    [
        b'["ES256"]',
        b'"ES256"',
        b"null",
        b"1",
        b"",
        b"{",
        HEADER.encode("utf-16"),
        HEADER.encode("utf-16-le"),
        HEADER.encode("utf-32"),
        b"\xef\xbb\xbf" + HEADER.encode(),
        HEADER.encode().replace(b"k1", b"k\xff"),
        HEADER.encode().replace(b"k1", b"\xed\xa0\x80"),
        HEADER.encode() + b"\0",
        HEADER.encode() + HEADER.encode(),
        b'{"alg":"ES256","kid":"k1","alg":"ES256"}',
        b'{"alg":"none","kid":"k1","alg":"ES256"}',
        b'{"alg":"ES256","kid":"k1","\\u0061lg":"none"}',
        b'{"alg":"ES256","kid":"k1","x":{"a":1,"a":1}}',
        b'{"alg":"ES256","kid":"k1","x":NaN}',
        b'{"alg":"ES256","kid":"k1","x":-Infinity}',
        b'{"alg":"ES256","kid":"k1","x":1e400}',
        b'{"alg":"ES256","kid":"k1","x":' + b"1" * 21 + b"}",
        b'{"alg":"ES256","kid":"k1","x":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"alg":"ES256","kid":"k1","x":' + b"[" * 3_000 + b"]" * 3_000 + b"}",
        b'{"alg":"ES256","kid":"\\ud800"}',
        b"{'alg':'ES256'}",
        b'{"alg":"ES256","kid":"k1",}',
    ],
)
def test_a_header_that_is_not_strict_json_is_rejected(header: bytes) -> None:  # validator 29, 30, 31
    assert reason(KEY.token(header=header)) in {"malformed", "malformed_header"}


@pytest.mark.parametrize(
    ("payload", "reads"),
    [
        (b'{"a":1}', True),
        (b' {"a" : 1e3}\n', True),
        (b'{"a":' + b"[" * 31 + b"]" * 31 + b"}", True),
        (b'{"a":"' + b"[" * 1_000 + b'"}', True),
        (b'{"a":' + b"9" * 20 + b"}", True),
        ('{"a":"\\ud83d\\ude00 é"}'.encode(), True),
        (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", False),
        (b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}", False),
        (b'{"a":' + b"9" * 21 + b"}", False),
        (b'{"a":-1e999}', False),
        (b'{"a":NaN}', False),
        (b'{"a":1,"a":1}', False),
        (b'{"a":"\\udfff"}', False),
        (b'{"a":"\xff"}', False),
        (b"[]", False),
        (b"", False),
        ('{"a":1}'.encode("utf-16"), False),
        (b'\xef\xbb\xbf{"a":1}', False),
    ],
)
def test_claims_are_one_strict_json_object(payload: bytes, reads: bool) -> None:  # validator 29, 30, 31
    compact = read_compact(KEY.token(payload))
    if reads:
        assert "a" in read_claims(compact)
        return
    with pytest.raises(roomkey.InvalidToken) as caught:
        read_claims(compact)
    assert caught.value.reason == "malformed_payload"


@pytest.mark.parametrize("changes", [{"jwk": Key(kid="evil").jwk()}, {"jku": "http://127.0.0.1:9/"}, {"x5c": ["AAAA"]}])
def test_keys_and_urls_in_a_header_are_neither_used_nor_in_the_way(
    changes: dict[str, object],
) -> None:  # validator 17, 18
    assert verify_compact(KEY.token(b"{}", **changes), KEYS, algorithms=["ES256"]) == b"{}"
    forged = Key(kid="evil").token(b"{}", kid="k1", **changes)
    assert reason(forged) == "bad_signature"


def test_only_headers_of_verified_tokens_are_remembered_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "_known", known := {})
    reason(Key(kid="evil").token(kid="k1"))
    assert known == {}
    for number in range(compact._MOST_CACHED + 10):
        verify_compact(KEY.token(number=number), KEYS, algorithms=["ES256"])
    assert 0 < len(known) <= compact._MOST_CACHED
    verify_compact(KEY.token(x="x" * 2_000), KEYS, algorithms=["ES256"])
    assert all(len(segment) <= 1_024 for segment in known)


def test_a_remembered_header_is_still_validated_by_the_callers_algorithms() -> None:  # validator 4
    verify_compact(GOOD, KEYS, algorithms=["ES256"])
    with pytest.raises(roomkey.InvalidToken) as caught:
        verify_compact(GOOD, KEYS, algorithms=["RS256"])
    assert caught.value.reason == "algorithm_not_allowed"
