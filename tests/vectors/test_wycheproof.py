"""The vectors of C2SP/wycheproof for signed JWTs and their keys: 466 undisputed ones."""

import json
import os
from pathlib import Path

import pytest

import roomkey
from roomkey.jose import KeySet, verify_compact
from roomkey.jose.verification_key import ALGORITHMS

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("WYCHEPROOF_DIR") or ROOT.parent / "shared" / "vectors" / "wycheproof")

# Labels that contradict the specifications or each other, or are a matter of policy.
DISPUTED = {
    "json_web_signature_test": {346, 347, 350, 351, 367, 370, 372, 373},
    "json_web_crypto_test": {47},
    "json_web_key_test": {1},
}
UNDISPUTED = {"json_web_signature_test": 393, "json_web_crypto_test": 48, "json_web_key_test": 25}


def groups(name: str) -> list[dict]:
    path = FOLDER / f"{name}.json"
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the vectors are missing: {name}.json; set WYCHEPROOF_DIR to their folder")
        pytest.skip(f"{name}.json is not there; set WYCHEPROOF_DIR to the folder of Wycheproof's JWS vectors")
    return json.loads(path.read_text(encoding="utf-8"))["testGroups"]


def is_accepted(keys: dict, token: str | dict) -> bool:
    """Whether the token passes; anything but an answer from the family ends the test. A few are in the JSON form."""
    text = token if isinstance(token, str) else json.dumps(token)
    try:
        verify_compact(text, KeySet.static(keys), algorithms=ALGORITHMS)
    except roomkey.RoomkeyError:
        return False
    return True


@pytest.mark.parametrize("name", UNDISPUTED)
def test_every_undisputed_vector_is_validated_as_labelled(
    name: str,
) -> None:  # validator 6, 7, 8, 9, 10, 12, 16, 17, 24, 26
    checked, wrong = 0, []
    for group in groups(name):
        for test in group["tests"]:
            if "jws" in test and test["tcId"] not in DISPUTED[name]:
                checked += 1
                right = is_accepted(group.get("public") or group["private"], test["jws"]) is (test["result"] == "valid")
                wrong += [] if right else [(test["tcId"], test["comment"])]
    assert wrong == []
    assert checked == UNDISPUTED[name]


def test_encrypted_tokens_are_rejected_with_every_key() -> None:  # validator 27
    tests = [(group, test) for group in groups("json_web_crypto_test") for test in group["tests"] if "jwe" in test]
    usable = {"kty": "oct", "k": "-ebuDNsVZ2iJtoZ-akfXTSCt4UO2cruLCsbWlBinggE"}
    for group, test in tests:
        assert not is_accepted(group.get("public") or group["private"], test["jwe"])
        assert not is_accepted(usable, test["jwe"])
    assert len(tests) == 34
