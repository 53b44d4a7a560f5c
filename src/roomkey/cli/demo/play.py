"""One run of the demo, from the first line to the verdict."""

import time
from collections.abc import Sequence

from rich.console import Console

from roomkey.cli.demo.outcome import Outcome
from roomkey.cli.demo.screen import Screen
from roomkey.cli.demo.stage import Stage
from roomkey.cli.demo.steps import STEPS, Step
from roomkey.cli.exit_code import ExitCode
from roomkey.testing import Issuer, ProtectedAPI


def play(
    console: Console,
    *,
    steps: Sequence[Step] = STEPS,
    issuer: Issuer | None = None,
    api: ProtectedAPI | None = None,
) -> ExitCode:
    """Play ``steps`` on ``console``; FAILED where a claim of one of them is not so.

    Opens sockets on loopback and a temporary folder, and takes some seconds. ``issuer`` and ``api`` replace the
    servers, not yet started.
    """
    start = time.monotonic()
    screen = Screen(console, start=start)
    played: list[tuple[str, Outcome | None]] = []
    with Stage(screen, issuer=issuer, api=api) as stage:
        screen.head(
            (
                ("issuer", stage.issuer.url, "gives out keys: the front desk"),
                ("api", stage.api.url, "opens to a live key: the room door"),
                ("client", "TokenManager, SQLiteStore", "keeps the key safe: the guest"),
            )
        )
        for number, step in enumerate(steps, start=1):
            screen.step(number, step.title, step.sentence)
            played.append((step.title, _played(step, stage, screen)))
    screen.summary(played, time.monotonic() - start)
    return ExitCode.OK if all(outcome is not None and outcome.held for _, outcome in played) else ExitCode.FAILED


def _played(step: Step, stage: Stage, screen: Screen) -> Outcome | None:
    try:
        outcome = step.play(stage)
    except Exception as error:  # noqa: BLE001 - the run goes on, and a foreign exception's words may hold a secret
        problem = type(error).__name__
    else:
        stage.trace.take()
        screen.checks(outcome.checks)
        return outcome
    stage.trace.take()
    screen.broken(f"The step broke off: {problem}")
    return None
