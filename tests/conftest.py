"""Fixtures that every test may use, and how hard the tests with made-up input are pressed."""

import os
import threading
from collections.abc import Callable

import pytest
from hypothesis import is_hypothesis_test, settings

from roomkey.testing.fixtures import api, clock, issuer, leaks, validator

__all__ = ["api", "clock", "issuer", "leaks", "validator"]

# Machines are shared: how long one example takes says nothing.
settings.register_profile("test", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=40_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test with made-up input is part of ``make fuzz``."""
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("fuzz")
