"""A front backoffice for each test, and a busy one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.authorization_server.backoffice.backoffice_service import Backoffice, Known, fill, open_backoffice

from roomkey.testing import FakeClock


@pytest.fixture
def backoffice(tmp_path: Path, clock: FakeClock) -> Iterator[Backoffice]:
    """A new service."""
    with open_backoffice(tmp_path / "data", clock) as backoffice:
        yield backoffice


@pytest.fixture
def known(backoffice: Backoffice) -> Known:
    """What the service knows once it has been in use for some months."""
    return fill(backoffice)
