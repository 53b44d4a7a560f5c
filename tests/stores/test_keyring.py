import base64
import copy
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkey.errors import KeyringError
from roomkey.stores.encryption import Miss, Opened
from roomkey.stores.keyring import Keyring
from roomkey.testing.store_conformance import KEY, OTHER

SECRET = b"the payload with a token in it"


def text(byte, *, padded=False, alphabet=base64.urlsafe_b64encode):
    encoded = alphabet(bytes([byte]) * 32).decode()
    return encoded if padded else encoded.rstrip("=")


def ring(entries, monkeypatch, name="ROOMKEY_TEST_KEYS"):
    monkeypatch.setenv(name, entries)
    return Keyring.from_env(name)


def test_what_is_encrypted_under_a_name_is_decrypted_under_it():
    keys = Keyring.generate()
    opened = keys.open(keys.seal(SECRET, key=KEY), key=KEY)
    assert isinstance(opened, Opened)
    assert (opened.plaintext, opened.current) == (SECRET, True)


def test_the_same_payload_is_never_encrypted_to_the_same_bytes():
    keys = Keyring.generate()
    sealed = {keys.seal(SECRET, key=KEY) for _ in range(100)}
    assert len(sealed) == 100
    assert not any(SECRET in envelope for envelope in sealed)


def test_an_envelope_moved_to_another_name_is_damaged():  # client 62
    keys = Keyring.generate()
    assert keys.open(keys.seal(SECRET, key=KEY), key=OTHER) is Miss.DAMAGED


def test_every_flipped_bit_is_a_miss():  # client 62
    keys = Keyring.generate()
    sealed = keys.seal(SECRET, key=KEY)
    for position in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[position // 8] ^= 1 << position % 8
        assert isinstance(keys.open(bytes(flipped), key=KEY), Miss), position


def test_every_truncation_and_extension_is_a_miss():  # client 62
    keys = Keyring.generate()
    sealed = keys.seal(SECRET, key=KEY)
    for length in range(len(sealed)):
        assert keys.open(sealed[:length], key=KEY) is Miss.DAMAGED
    assert keys.open(sealed + b"\x00", key=KEY) is Miss.DAMAGED


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise(data):  # client 62
    assert isinstance(Keyring.generate().open(data, key=KEY), Miss)


def test_a_newer_version_is_distinguished_from_damage():  # client 64
    keys = Keyring.generate()
    sealed = keys.seal(SECRET, key=KEY)
    assert keys.open(b"\x02" + sealed[1:], key=KEY) is Miss.NEWER_VERSION
    assert keys.open(b"\x00" + sealed[1:], key=KEY) is Miss.DAMAGED


def test_an_unknown_key_id_is_distinguished_from_damage():  # client 62
    assert Keyring.generate().open(Keyring.generate().seal(SECRET, key=KEY), key=KEY) is Miss.UNKNOWN_KEY


def test_another_key_under_the_same_id_is_damage(monkeypatch):  # client 62
    sealed = ring(f"a:{text(1)}", monkeypatch).seal(SECRET, key=KEY)
    assert ring(f"a:{text(2)}", monkeypatch).open(sealed, key=KEY) is Miss.DAMAGED


def test_the_key_id_is_part_of_what_is_authenticated(monkeypatch):  # client 62
    sealed = ring(f"a:{text(1)}", monkeypatch).seal(SECRET, key=KEY)
    renamed = sealed.replace(b"\x01a", b"\x01b", 1)
    assert renamed != sealed
    assert ring(f"b:{text(1)}", monkeypatch).open(renamed, key=KEY) is Miss.DAMAGED


def test_the_first_key_encrypts_and_every_key_decrypts(monkeypatch):  # client 62
    old = ring(f"old:{text(1)}", monkeypatch)
    both = ring(f"new:{text(2)},old:{text(1)}", monkeypatch)
    opened = both.open(old.seal(SECRET, key=KEY), key=KEY)
    assert (opened.plaintext, opened.current) == (SECRET, False)
    fresh = both.seal(SECRET, key=KEY)
    assert both.open(fresh, key=KEY).current
    assert ring(f"new:{text(2)}", monkeypatch).open(fresh, key=KEY).plaintext == SECRET
    assert old.open(fresh, key=KEY) is Miss.UNKNOWN_KEY


@pytest.mark.parametrize(
    "entries",
    [
        f"a:{text(255)},b:{text(2)}",
        f" a:{text(255, padded=True)} ,\n b:{text(2)}\n",
        f"# a comment\na:{text(255)}\nb:{text(2, padded=True)}",
        f"a:{text(255, alphabet=base64.b64encode)},b:{text(2)}",
    ],
)
def test_keys_are_read_in_every_form_that_users_write(monkeypatch, entries):
    keys = ring(entries, monkeypatch)
    assert keys.ids == ("a", "b")
    assert ring(f"a:{text(255)}", monkeypatch).open(keys.seal(SECRET, key=KEY), key=KEY).plaintext == SECRET


def test_a_bare_key_gets_a_stable_id_that_says_nothing_of_it(monkeypatch):
    (first,) = ring(text(7), monkeypatch).ids
    (again,) = ring(text(7, padded=True), monkeypatch).ids
    (other,) = ring(text(8), monkeypatch).ids
    assert first == again != other
    assert re.fullmatch("[0-9a-f]{8}", first)
    assert first not in (bytes([7]) * 32).hex()


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ("   ", "no key in it"),
        ("# nothing else", "no key in it"),
        ("short", "entry 1 has no key of the right form"),
        (f"a:{text(1)[:-1]}", "entry 1 has no key of the right form"),
        (f"a:{text(1)}A", "entry 1 has no key of the right form"),
        (f"a:{text(1)},b:{text(2)}==", "entry 2 has no key of the right form"),
        (f"a:{text(1)[:20]} {text(1)[21:]}", "entry 1 has no key of the right form"),
        (f"{text(3)}:a", "entry 1 has no key of the right form"),
        (f"{text(3)}:{text(1)}", "the id of entry 1"),
        (f":{text(1)}", "the id of entry 1"),
        (f"a b:{text(1)}", "the id of entry 1"),
        (f"a:b:{text(1)}", "the id of entry 1"),
        (f"{text(1)},{text(2)}", "entry 1 has no id"),
        (f"a:{text(1)},{text(2)}", "entry 2 has no id"),
        (f"a:{text(1)},a:{text(2)}", "two keys have the same id"),
        (",".join(f"k{n}:{text(n)}" for n in range(17)), "more than 16 keys"),
    ],
)
def test_keys_of_the_wrong_form_are_rejected_without_being_shown(monkeypatch, entries, problem, shown):  # client 66
    with pytest.raises(KeyringError, match=f"ROOMKEY_TEST_KEYS holds no usable keys: {problem}") as caught:
        ring(entries, monkeypatch)
    text_shown = shown(caught.value)
    for piece in re.findall(r"[\w-]{10,}", entries):
        assert piece not in text_shown


def test_an_unset_variable_is_named(monkeypatch):
    monkeypatch.delenv("ROOMKEY_TEST_KEYS", raising=False)
    with pytest.raises(KeyringError, match="ROOMKEY_TEST_KEYS is not set or empty"):
        Keyring.from_env("ROOMKEY_TEST_KEYS")


def test_a_callable_is_asked_each_time(monkeypatch):
    answers = [f"a:{text(1)}", f"b:{text(2)},a:{text(1)}"]
    keys = Keyring.from_callable(lambda: answers[0])
    sealed = keys.seal(SECRET, key=KEY)
    del answers[0]
    assert keys.open(sealed, key=KEY).current is False
    assert keys.ids == ("b", "a")


def fails():
    raise RuntimeError(text(1))


@pytest.mark.parametrize(
    ("read", "problem"),
    [
        (fails, "the callable fails: it raised RuntimeError"),
        (lambda: None, "it answered with NoneType instead of a string"),
        (lambda: text(1)[:30], "has no key of the right form"),
    ],
)
def test_a_callable_that_fails_shows_nothing_of_what_it_knows(read, problem, shown):  # client 66
    keys = Keyring.from_callable(read)
    for use in (lambda: keys.ids, lambda: keys.seal(SECRET, key=KEY), lambda: keys.derive("label")):
        with pytest.raises(KeyringError, match=problem) as caught:
            use()
        text_shown = shown(caught.value)
        assert caught.value.__context__ is None
        assert text(1)[:30] not in text_shown
        assert "the payload" not in text_shown


def test_nothing_shows_a_key(monkeypatch):  # client 66
    keys = ring(f"visible-id:{text(1)}", monkeypatch)
    assert repr(keys) == "Keyring(visible-id; from the environment variable ROOMKEY_TEST_KEYS)"
    opened = keys.open(keys.seal(SECRET, key=KEY), key=KEY)
    assert repr(opened) == f"Opened({len(SECRET)} bytes, current=True)"
    for thing in (keys, opened, keys._read()[0], keys._read()[0].text()):
        assert text(1)[:12] not in repr(thing) + str(thing) + f"{thing}"
        assert not hasattr(thing, "__dict__")
        assert copy.deepcopy(thing) is thing
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(thing)


def test_derived_bytes_follow_from_the_first_key_and_the_label(monkeypatch):
    keys = ring(f"a:{text(1)},b:{text(2)}", monkeypatch)
    derived = keys.derive("one")
    assert len(derived) == 32
    assert derived == ring(f"other-id:{text(1)}", monkeypatch).derive("one")
    assert derived != keys.derive("two")
    assert derived != ring(f"b:{text(2)}", monkeypatch).derive("one")


def test_only_a_key_file_can_be_rotated(monkeypatch):
    with pytest.raises(KeyringError, match="come from the environment variable ROOMKEY_TEST_KEYS; put a new key first"):
        ring(f"a:{text(1)}", monkeypatch).rotate()
