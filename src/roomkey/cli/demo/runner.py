"""One run of the demo, from the first line to the verdict."""

import time
from collections.abc import Callable, Sequence

from rich.console import Console

from roomkey.cli.demo.auth_service import Desk
from roomkey.cli.demo.events import Played, Scene
from roomkey.cli.demo.fixture import Stage
from roomkey.cli.demo.screen import Screen
from roomkey.cli.demo.steps import STEPS, Step
from roomkey.cli.exit_code import ExitCode
from roomkey.testing import ProtectedAPI


def play(
    console: Console,
    *,
    steps: Sequence[Step] = STEPS,
    desk: Desk | None = None,
    api: ProtectedAPI | None = None,
    report: Callable[[Played], None] = lambda _: None,
) -> ExitCode:
    """Play ``steps`` on ``console``; FAILED where a claim of one of them is not so.

    Opens sockets on loopback and temporary folders, and takes some seconds. ``desk`` and ``api`` replace the servers,
    not yet started; ``report`` is handed what was played.
    """
    start = time.monotonic()
    screen = Screen(console, start=start)
    scenes = []
    with Stage(screen, desk=desk, api=api) as stage:
        screen.head(
            (
                ("auth", stage.desk.url, "gives out keys: the front desk"),
                ("API", stage.api.url, "opens to a live key: the room door"),
                ("app", "TokenManager, SQLiteStore", "keeps the key safe: the guest"),
            )
        )
        for number, step in enumerate(steps, start=1):
            scene = Scene(number, step.title, step.sentence, step.app, time.monotonic())
            scenes.append(scene)
            _play(step, scene, stage, screen)
    played = Played(tuple(scenes), time.monotonic() - start)
    screen.summary(played)
    report(played)
    return ExitCode.OK if played.held == len(scenes) else ExitCode.FAILED


def _play(step: Step, scene: Scene, stage: Stage, screen: Screen) -> None:
    screen.step(scene.number, scene.title, scene.sentence)
    stage.in_table(scene)
    try:
        scene.outcome = step.play(stage)
    except Exception as error:  # noqa: BLE001 - the run goes on, and a foreign exception's words may hold a secret
        scene.problem = f"The step broke off: {type(error).__name__}"
    stage.trace.take()
    if scene.outcome is None:
        screen.broken(scene.problem)
    else:
        screen.checks(scene.outcome.checks)
