"""Makes the report of a run and says where it is."""

import time
from collections.abc import Callable
from pathlib import Path

from roomkey import __version__
from roomkey.cli.demo.events import Played
from roomkey.cli.demo.report.document import document
from roomkey.cli.demo.report.file import ReportFile
from roomkey.cli.theme import done, shown


def reporting(path: Path) -> Callable[[Played], None]:
    """What writes a report to ``path``; raises ConfigurationError at once where it cannot: nobody waits for that."""
    file = ReportFile(path)

    def write(played: Played) -> None:
        file.write(document(played, version=__version__, when=time.strftime("%d %B %Y, %H:%M")))
        done(f"The report is in {shown(str(path))}.")

    return write
