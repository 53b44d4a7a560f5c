"""Fixtures that every test may use, and how hard the tests with made-up input are pressed."""

import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import is_hypothesis_test, settings
from tests.support.issuer import ExtendedIssuer
from tests.support.leaks import LeakDetector

from roomkey.testing import Issuer
from roomkey.testing.fixtures import api, clock, validator

__all__ = ["api", "clock", "validator"]

# Machines are shared: how long one example takes says nothing.
settings.register_profile("test", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=200)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "test")
settings.load_profile(PROFILE)
TESTS = Path(__file__).parent
FUZZ_SECONDS = 270.0  # for all the tests together; with what follows the branches, ``make fuzz`` takes ten minutes


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An authorization server with custom logins and revocation lists; it must not have failed by itself."""
    with ExtendedIssuer() as running:
        yield running
    assert not running.failures


@pytest.fixture
def leaks(issuer: Issuer) -> Iterator[LeakDetector]:
    """A search of logs, stdout and stderr for every secret of ``issuer``; the test fails where one was printed."""
    detector = LeakDetector(known=lambda: issuer.secret_values)
    with detector.watch():
        yield detector
    detector.assert_clean()


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The system gives roomkey no thread until this is called."""
    start = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == "roomkey":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    return lambda: monkeypatch.setattr(threading.Thread, "start", start)


NEEDS = {"oidc_provider": "npm", "postgresql": "postgresql"}
"""Fixtures, and the marker of the tests that use them."""
FOLDERS = {"vectors": "vectors"}
"""Folders directly below ``tests``, and the marker of their tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they need, and give each test with generated input its share of ``make fuzz``."""
    fuzzed = [item for item in items if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    for item in items:
        for marker in _needed(item):
            item.add_marker(marker)
    for item in fuzzed:
        item.add_marker("fuzz")
        if PROFILE == "fuzz":
            item.obj = over_and_over(item.obj, FUZZ_SECONDS * workers / len(fuzzed))


def _needed(item: pytest.Item) -> Iterator[str]:
    yield from (marker for fixture, marker in NEEDS.items() if fixture in getattr(item, "fixturenames", ()))
    parameters = (
        item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    )
    if any(value == "postgresql" for value in parameters if isinstance(value, str)):
        yield "postgresql"
    folder = item.path.relative_to(TESTS).parts[0]
    if folder in FOLDERS:
        yield FOLDERS[folder]


def over_and_over(test: Callable[..., None], seconds: float) -> Callable[..., None]:
    """``test``, each time with new input, until ``seconds`` are over."""

    @functools.wraps(test)
    def repeated(**arguments: object) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            test(**arguments)

    return repeated
