"""Output of ``roomkey serve``: its URL and files, findings of --check, on a terminal a line for each request."""

import json
import logging
import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from roomkey.authorization_server.health.checks import CheckReport, Finding
from roomkey.authorization_server.server.access_log import fields_of
from roomkey.cli.theme import errors, facts, labelled, listed, output, paragraph, shown

if TYPE_CHECKING:
    from roomkey.authorization_server.service import Service
    from roomkey.authorization_server.settings import Settings
    from roomkey.cli.serve_example import Example

_TIME: Final = slice(11, 19)  # the time of day in a record's time


def print_start(service: "Service", setup_link: str | None = None) -> None:
    """Print the issuer, the database and the key file; blocks on the terminal alone."""
    settings, console = service.settings, output()
    paragraph(console, Text.assemble(("roomkey serve", "title"), ("   the auth service", "quiet")))
    console.print()
    database = service.database.file
    console.print(
        facts(
            ("issuer", Text(settings.issuer, "bold")),
            ("listens on", f"{settings.host} port {settings.port}"),
            ("database", shown(str(database)) if database is not None else "PostgreSQL"),
            ("keys", shown(service.keyring.description)),
        )
    )
    console.print()
    if setup_link is not None:
        paragraph(console, Text("There is no administrator yet. Open this link within an hour; it works once:"))
        console.print(Text(f"  {setup_link}", "accent"), soft_wrap=True)  # in one piece, however narrow the terminal
        console.print()
    if console.is_terminal:
        paragraph(console, Text("Ctrl+C ends it.", "quiet"))
        console.print()
    sys.stdout.flush()


def print_example(example: "Example") -> None:
    """Print where the sample API is, and the commands that call it."""
    console = output()
    paragraph(
        console, Text.assemble(("Sample API ", "title"), (example.url, "bold"), ("   GET and POST /orders", "quiet"))
    )
    paragraph(console, Text(f"{shown(str(example.file))} is written. In another terminal, in this folder:"))
    for command, words in (
        ("roomkey call example GET /orders", "a managed call: 200"),
        ("roomkey call example POST /orders", "a scope that the account does not have: 403"),
        ("roomkey token example", "the token's expiry and claims"),
        ("roomkey status", "what the store holds"),
    ):
        console.print(Text.assemble(("  " + command.ljust(36), "accent"), (words, "quiet")), soft_wrap=True)
    console.print()
    sys.stdout.flush()


def print_findings(settings: "Settings", findings: CheckReport) -> None:
    """Print a table of the findings, or that there are none."""
    console = output()
    console.print(facts(("issuer", shown(settings.issuer)), ("folder", shown(str(settings.data)))))
    console.print()
    if findings.found:
        console.print(listed(map(_row, findings.found), console, "id", "what", folded="what", spared=()))
    else:
        labelled(console, ("✓", "ok"), "Nothing is wrong.")
    if not findings.database_seen:
        console.print()
        paragraph(console, Text("There is no database yet: only settings and files were checked.", "quiet"))


def _row(finding: Finding) -> dict[str, str | Text]:
    words = Text.assemble(shown(finding.problem), "\n", ("→ ", "action"), (shown(finding.step), "quiet"))
    return {"id": Text(f"! {finding.id}", "warn"), "what": words}


def print_findings_json(settings: "Settings", findings: CheckReport) -> None:
    """Print one JSON object."""
    found = [{"id": each.id, "problem": each.problem, "step": each.step} for each in findings.found]
    members = {"issuer": settings.issuer, "database_seen": findings.database_seen, "findings": found}
    sys.stdout.write(json.dumps(members, indent=2) + "\n")


def log_formatter() -> logging.Formatter | None:
    """The formatter of the log on a terminal; None where stderr is none, and the log is for programs."""
    console = errors()
    return _TerminalFormatter(console) if console.is_terminal else None


class _TerminalFormatter(logging.Formatter):
    """One request as a line: time, status, duration, method, route and client."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def format(self, record: logging.LogRecord) -> str:
        members = fields_of(record)
        time = str(members.pop("time"))[_TIME]
        level, event = members.pop("level"), str(members.pop("event"))
        line = Text(f"{time}  ", "quiet")
        if "route" in members:
            self._request(line, members)
        else:
            style = "bad" if level in ("error", "critical") else "warn" if level == "warning" else "quiet"
            line.append(shown(event), style)
        for name, value in members.items():
            line.append(f"  {name}=", "quiet").append(shown(str(value)))
        with self._console.capture() as printed:
            self._console.print(line, soft_wrap=True, end="")
        return printed.get()

    def _request(self, line: Text, members: dict[str, object]) -> None:
        status, seconds = int(str(members.pop("status"))), str(members.pop("ms"))
        line.append(f"{status}", "ok" if status < 400 else "warn" if status < 500 else "bad")
        line.append(f"  {seconds:>8} ms  ", "quiet")
        line.append(f"{shown(str(members.pop('method'))):<5} ").append(shown(str(members.pop("route"))), "action")
