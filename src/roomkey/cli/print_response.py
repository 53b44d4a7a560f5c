"""Prints an API's response: the status on stderr, the body on stdout, the token in neither."""

import json
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from rich.highlighter import JSONHighlighter
from rich.text import Text

from roomkey.cli.errors import print_error
from roomkey.cli.exit_code import ExitCode, exit_code_of_response
from roomkey.cli.theme import errors, output, paragraph, shown
from roomkey.integrations.call import EXTENSION, CallReport

if TYPE_CHECKING:
    import httpx2

    from roomkey.client.credential import Credential

_LARGEST_RESPONSE: Final = 64 * 1024 * 1024


def print_response(response: "httpx2.Response", credential: "Credential") -> ExitCode:
    """Print ``response``, whose body has not been read yet, and return the exit code for its status."""
    report = response.extensions.get(EXTENSION)
    report = report if isinstance(report, CallReport) else CallReport("attached")
    body = _read(response)
    authorization = response.request.headers.get("Authorization", "")
    _print_status(response, report, authorization)
    if body is None:
        print_error("The response is larger than 64 MiB; it is not shown.")
        return ExitCode.API_ERROR
    _print_body(_without_token(body, authorization))
    code = exit_code_of_response(response.status_code)
    if code is ExitCode.REJECTED:
        print_error(
            f"The API rejected the token{_tried(report)}.",
            f"roomkey token {credential.name} shows its scope and claims.",
        )
    return code


def _read(response: "httpx2.Response") -> bytes | None:
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_bytes():
        chunks.append(chunk)
        size += len(chunk)
        if size > _LARGEST_RESPONSE:
            return None
    return b"".join(chunks)


def _tried(report: CallReport) -> str:
    if report.attempts > 1:
        return ", and a new one too"
    return f" and nothing more was tried: {report.reason.replace('_', ' ')}" if report.reason else ""


def _print_status(response: "httpx2.Response", report: CallReport, authorization: str) -> None:
    status = response.status_code
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    style = "ok" if status < 400 else "bad"
    line = Text.assemble((f"{status} {phrase}".strip(), style))
    if status // 100 == 3 and "Location" in response.headers:
        place = _without_token(response.headers["Location"].encode(), authorization).decode()
        line.append(f"  not followed: {shown(place)}", style="quiet")
    if report.attempts > 1:
        line.append(
            f"  {report.action}, sent {report.attempts} times: {report.reason.replace('_', ' ')}", style="quiet"
        )
    paragraph(errors(), line)


def _without_token(body: bytes, authorization: str) -> bytes:
    """``body`` without the token, for APIs that echo what they were sent."""
    sent = authorization.rpartition(" ")[2].encode()
    return body.replace(sent, b"[the token]") if sent else body


def _print_body(body: bytes) -> None:
    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
        return
    try:
        text = body.decode()
    except UnicodeDecodeError:
        print_error(f"The body is {len(body)} bytes that are not text.", "write it to a file: roomkey call … > file")
        return
    output().print(_formatted(text), soft_wrap=True)


def _formatted(text: str) -> Text:
    if text.lstrip()[:1] in ("{", "["):
        try:
            indented = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
        else:
            return JSONHighlighter()(shown(indented, lines=True))
    return Text(shown(text, lines=True))
