"""Runs the figures, each in a process of its own: `python benchmarks/run.py [FIGURE …]`; all of them by default."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

FIGURES = (
    "attach",
    "request_cost",
    "herd",
    "refresh_stall",
    "outage",
    "verification",
    "validation",
    "auth_service",
    "import_time",
)


def main() -> int:
    """Print the tables; a missed goal is no failure, a script that breaks is."""
    parser = argparse.ArgumentParser(description="Measure roomkey beside its peers.")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"{', '.join(FIGURES)}; default: all")
    figures = parser.parse_args().figures or FIGURES
    if unknown := set(figures) - set(FIGURES):
        parser.error(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    here = Path(__file__).parent
    commands = {name: [sys.executable, str(here / f"{name}.py")] for name in figures}
    broken = [name for name, command in commands.items() if subprocess.run(command, check=False).returncode]
    for name in broken:
        print(f"{name} did not finish", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
