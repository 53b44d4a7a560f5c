"""One run of the demo, from the first line to the verdict."""

import time
from collections.abc import Sequence

from examples.demo.auth_service import AuthService
from examples.demo.events import Run, Scene
from examples.demo.fixture import Fixture
from examples.demo.scenes import SCENES, SceneDefinition
from examples.demo.screen import Screen
from rich.console import Console

from roomkey.testing import ProtectedAPI


def run(
    console: Console,
    *,
    scenes: Sequence[SceneDefinition] = SCENES,
    auth_service: AuthService | None = None,
    api: ProtectedAPI | None = None,
) -> Run:
    """Run ``scenes`` on ``console``.

    Opens sockets on loopback and temporary folders, and takes some seconds. ``auth_service`` and ``api`` replace the
    servers, not yet started.
    """
    start = time.monotonic()
    screen = Screen(console, start=start)
    finished = []
    with Fixture(screen, auth_service=auth_service, api=api) as fixture:
        screen.head(
            (
                ("auth", fixture.auth_service.url, "issues tokens: roomkey serve"),
                ("API", fixture.api.url, "validates tokens: TokenValidator"),
                ("app", "TokenManager, SQLiteStore", "gets, keeps and refreshes tokens"),
            )
        )
        for number, definition in enumerate(scenes, start=1):
            scene = Scene(number, definition.title, definition.sentence, definition.app)
            finished.append(scene)
            _run_scene(definition, scene, fixture, screen)
    result = Run(tuple(finished), time.monotonic() - start)
    screen.summary(result)
    return result


def _run_scene(definition: SceneDefinition, scene: Scene, fixture: Fixture, screen: Screen) -> None:
    screen.scene_head(scene)
    fixture.show_as_table(scene)
    try:
        scene.outcome = definition.run(fixture)
    except Exception as error:  # noqa: BLE001 - the run goes on, and a foreign exception's message may hold a secret
        scene.problem = f"The scene was aborted: {type(error).__name__}"
    fixture.trace.take()
    screen.result(scene)
