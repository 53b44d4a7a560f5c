"""``roomkey demo``: tokens at work before your eyes, with the real auth service, APIs and a client on loopback."""

import importlib.util
from pathlib import Path
from typing import Annotated, Final

import typer

from roomkey.cli.exit_code import ExitCode

_NEEDED: Final = (
    "alembic",
    "argon2",
    "httptools",
    "jinja2",
    "pyotp",
    "segno",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "webauthn",
)


def demo(
    *,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write what happened as a page with diagrams, too.")
    ] = None,
) -> int:
    """Show tokens at work: the real auth service, APIs and an app on this machine, nine scenes, every claim counted.

    Takes about ten seconds, opens ports on loopback alone, and leaves nothing behind but the report. That replaces a
    report that was there before, and no other file.
    """
    missing = next((package for package in _NEEDED if importlib.util.find_spec(package) is None), None)
    if missing is not None:
        from roomkey.cli.errors import complain

        complain(
            f'The demo runs the auth service, which needs the package {missing}: pip install "roomkey[cli,server]"'
        )
        return ExitCode.USAGE

    from roomkey.cli.demo.runner import play
    from roomkey.cli.theme import output

    if report is None:
        return play(output())

    from roomkey.cli.demo.report.write import reporting

    return play(output(), report=reporting(report))
