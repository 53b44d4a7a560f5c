import base64
import contextlib
import json
import logging
import sys
import types
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import pytest
from tests.support.leaks import LeakDetector, exposures

from roomkey.secret import Confidential, Secret
from roomkey.testing import Issuer

SECRET = 's3cr3t/with+odd "signs" & ümlaut'


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        base64.b64encode(f"client:{SECRET}".encode()).decode(),
        base64.b64encode(f"client-1:{SECRET}".encode()).decode(),
        base64.b64encode(f"client-12:{SECRET}".encode()).decode(),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower(),
        json.dumps({"password": SECRET}),
        json.dumps({"password": SECRET}, ensure_ascii=False),
        repr(SECRET.encode()),
        SECRET.encode().hex(),
        SECRET[:17] + "\n   " + SECRET[17:],
        "\n  ".join(SECRET[start : start + 7] for start in range(0, len(SECRET), 7)),
        "│ " + SECRET[:11] + " │\n│ " + SECRET[11:] + " │",
        SECRET[5:17],
    ],
)
def test_a_secret_is_found_in_every_form(shown):
    found = LeakDetector([SECRET]).find_leaks(f"before {shown} after")
    assert found
    assert not [leak for leak in found if SECRET in repr(leak)]


@pytest.mark.parametrize(
    "shown", ["", "nothing here", SECRET[:11], "s3cr3t", base64.b64encode(b"client:another secret of its own").decode()]
)
def test_what_is_no_secret_is_not_found(shown):
    assert LeakDetector([SECRET]).find_leaks(shown) == []


@pytest.mark.parametrize("form", [str.upper, lambda text: base64.b64encode(text.encode()).decode()])
def test_short_secrets_count_as_a_whole_only(form):
    detector = LeakDetector(["hunter2hunter"])
    assert detector.find_leaks("x hunter2hunter y")
    assert not detector.find_leaks("x hunter2hunte y")
    assert LeakDetector([form("hunter2hunter")]).find_leaks(form("hunter2hunter"))


def test_secrets_too_short_to_be_searched_for_are_rejected():
    with pytest.raises(ValueError, match="at least 6"):
        LeakDetector(["abc"])


def test_pieces_of_a_jwt_count_but_its_header_does_not(issuer):
    token = issuer.issue()
    head, payload, signature = token.split(".")
    detector = LeakDetector([token])
    assert detector.find_leaks(f"sig {signature[20:32]}")
    assert detector.find_leaks(f"payload {payload[-12:]}")
    assert not detector.find_leaks(f"sig: {signature[20:31]}")
    assert not detector.find_leaks(head)


def test_known_secrets_are_asked_for_at_each_search(issuer):
    detector = LeakDetector(known=lambda: issuer.secret_values)
    token = issuer.issue()
    assert detector.find_leaks(token)


class Shy(Confidential):
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return "Shy(••••)"


@dataclass
class Open:
    value: str


class InVars:
    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return "InVars()"


class InFormat(Shy):
    __slots__ = ()

    def __format__(self, spec):
        return self.value


class InStr(Shy):
    __slots__ = ()

    def __str__(self):
        return self.value


class ForRich(Shy):
    __slots__ = ()

    def __rich_repr__(self):
        yield self.value


class InPickle:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return "InPickle()"


@pytest.mark.parametrize(
    ("kind", "how"),
    [(Open, "asdict"), (InVars, "vars"), (InFormat, "format"), (InStr, "str"), (ForRich, "rich"), (InPickle, "reduce")],
)
def test_each_way_of_showing_an_object_is_tried(kind, how):
    found = LeakDetector([SECRET]).find_leaks(kind(SECRET))
    assert how in {leak.where.split()[0] for leak in found}


def test_objects_that_keep_their_secret_are_clean():
    detector = LeakDetector([SECRET])
    detector.assert_clean(Shy(SECRET), Secret(SECRET), ValueError("no secret here"), "text", b"bytes")
    assert {how.split()[0] for how, _ in exposures(Shy(SECRET))} >= {"repr", "vars", "pickle", "rich"}


def test_assert_clean_names_the_place_and_not_the_secret():
    with pytest.raises(AssertionError) as failed:
        LeakDetector([SECRET]).assert_clean(Open(SECRET))
    assert "repr of Open" in str(failed.value)
    assert "s3cr3t" not in str(failed.value)


LOCAL = """
def fail(value):
    copy = value
    raise RuntimeError("stopped")
"""
MESSAGE = """
def fail(value):
    raise RuntimeError("stopped with " + value)
"""
NOTE = """
def fail(value):
    error = RuntimeError("stopped")
    error.add_note(value)
    del value
    raise error
"""
CAUSE = """
def inner(value):
    raise KeyError("x")

def fail(value):
    box = [value]
    del value
    try:
        inner(box.pop())
    except KeyError as error:
        raise RuntimeError("stopped") from error
"""
GROUP = """
def fail(value):
    raise ExceptionGroup("several", [ValueError(value)])
"""
NOTHING = """
def fail():
    raise RuntimeError("stopped")
"""


@pytest.fixture
def code(tmp_path):
    """Turns source text into its function ``fail``, in a file that is no test: its frames are searched."""

    def load(source):
        path = tmp_path / "somebodys_code.py"
        path.write_text(source)
        module = types.ModuleType("somebodys_code")
        exec(compile(source, str(path), "exec"), module.__dict__)
        return module.fail

    return load


@pytest.mark.parametrize("source", [LOCAL, MESSAGE, NOTE, CAUSE, GROUP])
def test_locals_messages_notes_and_causes_of_an_exception_are_searched(code, source):
    fail = code(source)
    with pytest.raises((RuntimeError, ExceptionGroup)) as caught:
        fail(SECRET)
    found = LeakDetector([SECRET]).find_leaks(caught.value)
    assert {"traceback", "rich"} <= {leak.where.split()[0] for leak in found}


def test_frames_of_the_test_itself_do_not_count(code):
    value = SECRET
    fail = code(NOTHING)
    with pytest.raises(RuntimeError) as caught:
        fail()
    assert value == SECRET
    LeakDetector([SECRET]).assert_clean(caught.value)


def test_logs_at_debug_and_output_are_watched(capsys):
    detector = LeakDetector([SECRET])
    level = logging.getLogger().level
    with detector.watch():
        logging.getLogger("somewhere.deep").debug("token %s", SECRET)
    assert {leak.where for leak in detector.find_leaks()} == {"log record of somewhere.deep"}
    assert logging.getLogger().level == level
    logging.getLogger("somewhere.deep").warning("after")
    assert "after" not in detector.watched

    for stream in ("stdout", "stderr"):
        other = LeakDetector([SECRET])
        with other.watch():
            print("shown:", SECRET, file=getattr(sys, stream))
        assert {leak.where for leak in other.find_leaks()} == {stream}
    assert SECRET in capsys.readouterr().out


def test_a_secret_hidden_in_the_extra_of_a_log_record_is_found():
    detector = LeakDetector([SECRET])
    with detector.watch():
        logging.getLogger("x").info("harmless", extra={"header": SECRET})
    assert detector.find_leaks()


def test_the_exception_of_a_log_record_is_searched_with_its_locals(code):
    detector = LeakDetector([SECRET])
    fail = code(LOCAL)
    with detector.watch():
        try:
            fail(SECRET)
        except RuntimeError:
            logging.getLogger("x").exception("failed")
    assert detector.find_leaks()


def test_the_fixture_fails_a_test_that_prints_a_secret():
    from tests.conftest import leaks as fixture

    with Issuer() as issuer:
        running = fixture.__wrapped__(issuer)
        next(running)
        print(issuer.issue())
        with pytest.raises(AssertionError, match="stdout"):
            next(running)
        quiet = fixture.__wrapped__(issuer)
        next(quiet)
        print("nothing")
        with contextlib.suppress(StopIteration):
            next(quiet)
