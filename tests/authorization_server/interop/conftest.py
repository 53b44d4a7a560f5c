"""One auth service for each process that runs these tests; none of them spoils it for another."""

from collections.abc import Iterator

import pytest
from tests.authorization_server.interop.auth_service import InteropService, interop_service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InteropService]:
    with interop_service(tmp_path_factory.mktemp("service") / "data") as running:
        yield running
