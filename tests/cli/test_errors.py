"""How failures are told, and that nothing secret is told with them."""

import logging

import pytest
from tests.support.leaks import LeakDetector

from roomkey.cli.errors import print_error, report, show_notes, unexpected
from roomkey.cli.exit_code import ExitCode, exit_code_of, exit_code_of_response
from roomkey.errors import (
    ConfigurationError,
    KeyringError,
    LoginRequired,
    OriginNotAllowed,
    RoomkeyError,
    SecretUnavailable,
    StoreUnavailable,
    TokenRejected,
    TokenUnavailable,
)

SECRET = "hunter2-in-an-exception"


@pytest.fixture
def heard(monkeypatch, capsys):
    """What has gone to stderr, as into a pipe."""
    for name in ("FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return lambda: capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 2),
        (SecretUnavailable("x"), 2),
        (KeyringError("x"), 2),
        (OriginNotAllowed("x"), 2),
        (TokenUnavailable("x"), 3),
        (LoginRequired("x"), 3),
        (TokenRejected("x", status=401), 4),
        (StoreUnavailable("x"), 5),
        (RoomkeyError("x"), 1),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_every_error_of_the_family_has_its_exit_code_and_its_sentence(heard, error, code):
    assert exit_code_of(error) == report(error) == code
    assert heard() == "roomkey: x\n"


def test_every_answer_has_its_exit_code():
    codes = {status: int(exit_code_of_response(status)) for status in (200, 204, 304, 400, 401, 403, 404, 500, 503)}
    assert codes == {200: 0, 204: 0, 304: 0, 400: 6, 401: 4, 403: 4, 404: 6, 500: 6, 503: 6}


def test_the_next_step_stands_under_the_sentence(heard):
    print_error("What happened.", "what to do")
    assert heard() == "roomkey: What happened.\n   next: what to do\n"


def test_an_errors_advice_is_the_next_step(heard):
    report(TokenRejected("The API refused it.", status=401, advice="look at the audience"))
    assert heard() == "roomkey: The API refused it.\n   next: look at the audience\n"


def test_a_sentence_stays_one_line_in_a_pipe_and_cannot_steer_a_terminal(heard):
    print_error("word " * 200 + "\x1b[2J\u202e")
    told = heard()
    assert told.count("\n") == 1
    assert told.endswith("\\u001b[2J\\u202e\n")


@pytest.mark.slow
@pytest.mark.slow
def test_on_a_terminal_lines_stay_under_the_sentence(home):
    seen = home.terminal("call", "orders", "GET", "https://elsewhere.example/", width=60, NO_COLOR="1").stdout
    lines = seen.splitlines()
    assert lines[0].startswith("roomkey: PATH must be relative")
    assert all(line.startswith(" " * 9) and line[9] != " " for line in lines[1:-1])
    assert lines[-1].rstrip() == "   next: roomkey call --help"
    assert max(len(line.rstrip()) for line in lines) <= 60


def broken() -> None:
    raise ValueError(SECRET)


@pytest.mark.parametrize("debug", ["", "1"])
def test_what_was_not_foreseen_is_told_by_its_place_and_never_by_its_words(heard, monkeypatch, debug):
    monkeypatch.setenv("ROOMKEY_DEBUG", debug)
    with pytest.raises(ValueError, match=SECRET) as caught:
        broken()
    assert unexpected(caught.value) is ExitCode.FAILED
    told = heard()
    assert told.startswith("roomkey: This should not happen: ValueError at test_errors.py:")
    assert ("in broken" in told) == bool(debug)
    assert ("ROOMKEY_DEBUG=1" in told) != bool(debug)
    LeakDetector([SECRET]).assert_clean(told)


def test_roomkeys_own_warnings_are_one_line_and_those_of_others_are_quiet(heard):
    logger, root = logging.getLogger("roomkey"), logging.getLogger()
    before = (logger.handlers[:], logger.propagate, root.handlers[:])
    try:
        show_notes()
        logging.getLogger("roomkey").warning("The store %s is full\x1b[2J", "tokens.db")
        logging.getLogger("roomkey").info("not worth a line")
        try:
            broken()
        except ValueError:
            logging.getLogger("roomkey").exception("It broke")
    finally:
        logger.handlers[:], logger.propagate, root.handlers[:] = before
    assert heard() == "note: The store tokens.db is full\\u001b[2J\nnote: It broke\n"
