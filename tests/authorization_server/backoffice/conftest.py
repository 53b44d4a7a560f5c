"""A front desk for each test, and a busy one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.authorization_server.backoffice.desk import Desk, Known, fill, open_desk

from roomkey.testing import FakeClock


@pytest.fixture
def desk(tmp_path: Path, clock: FakeClock) -> Iterator[Desk]:
    """A new service."""
    with open_desk(tmp_path / "data", clock) as desk:
        yield desk


@pytest.fixture
def known(desk: Desk) -> Known:
    """What the service knows once it has been in use for some months."""
    return fill(desk)
