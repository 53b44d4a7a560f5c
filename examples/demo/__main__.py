"""The command line of the demo: ``python -m examples.demo [--report FILE.html|FILE.md]``."""

import argparse
import sys
from pathlib import Path

from examples.demo.report import ReportFile
from examples.demo.runner import run

from roomkey.cli.errors import print_error, unexpected
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.theme import done, output, shown
from roomkey.errors import RoomkeyError


def main(arguments: list[str] | None = None) -> ExitCode:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo",
        description="Show tokens at work: the real auth service, APIs and clients on this machine, nine scenes, "
        "every claim counted. Takes about ten seconds, opens ports on loopback alone, and leaves nothing behind but "
        "the report.",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="also write the run as Mermaid diagrams (FILE.md) or as a page with text diagrams (FILE.html)",
    )
    path = parser.parse_args(arguments).report
    try:
        report = None if path is None else ReportFile(path)
        played = run(output())
        if report is not None:
            report.write(played)
            done(f"The report is in {shown(str(path))}.")
    except RoomkeyError as error:
        print_error(str(error))
        return ExitCode.USAGE
    except KeyboardInterrupt:
        print_error("Interrupted.")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a foreign exception's message may hold a secret
        return unexpected(error)
    return ExitCode.OK if played.passed else ExitCode.FAILED


if __name__ == "__main__":
    sys.exit(main())
