"""The lines of the log: one for each record, whatever it holds, and never what an exception says."""

import io
import json
import logging
import sys

import pytest

from roomkey.authorization_server.server.access_log import LineFormatter, LogHandler

NASTY = 'a b"c\r\nlevel=error event=forged \u2028 \x1b[31m'


def _record(message: str = "request", *, error: BaseException | None = None, **fields: object) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("roomkey.server", logging.INFO, "", 0, message, (), exc_info)
    record.created, record.msecs = 1_764_039_068.25, 250.0
    record.fields = fields
    return record


def test_a_line_in_logfmt():
    line = LineFormatter(json_lines=False).format(
        _record(method="POST", route="/api/v1/apis/{audience}", status=200, ms=4.5)
    )
    rest = "method=POST route=/api/v1/apis/{audience} status=200 ms=4.5"
    assert line == f"time=2025-11-25T02:51:08.250Z level=info event=request {rest}"


@pytest.mark.parametrize("json_lines", [False, True])
def test_no_content_makes_a_second_line_or_a_member_of_its_own(json_lines: bool):  # auth service 58
    line = LineFormatter(json_lines=json_lines).format(_record(NASTY, client_id=NASTY))
    assert line.isascii()
    assert line.isprintable()
    if json_lines:
        assert json.loads(line)["client_id"] == NASTY
    else:
        assert f"client_id={json.dumps(NASTY)}" in line
        assert line.count(" level=") == 1 + 2 * NASTY.count(" level=")


@pytest.mark.parametrize("json_lines", [False, True])
def test_an_exception_is_told_by_kind_and_place(json_lines: bool):  # auth service 58
    try:
        raise ValueError("the password is hunter2")
    except ValueError as error:
        line = LineFormatter(json_lines=json_lines).format(_record("Exception in ASGI application\n", error=error))
    assert "hunter2" not in line
    assert "ValueError" in line
    assert "test_logs.py:" in line
    assert "\n" not in line


def test_a_stream_that_is_gone_ends_nothing(capsys: pytest.CaptureFixture[str]):
    closed = io.StringIO()
    handler = LogHandler(closed)
    closed.close()
    handler.handle(_record())
    assert capsys.readouterr() == ("", "")
    assert sys.stderr is not closed
