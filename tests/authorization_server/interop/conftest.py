"""One auth service for each process that runs these tests; none of them spoils it for another."""

from collections.abc import Iterator

import pytest
from tests.authorization_server.interop.front_desk import FrontDesk, front_desk


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDesk]:
    with front_desk(tmp_path_factory.mktemp("desk") / "data") as running:
        yield running
