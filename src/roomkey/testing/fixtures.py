"""pytest fixtures: ``issuer``, ``api``, ``validator``, ``clock`` and ``leaks``.

They are not registered by themselves: write ``pytest_plugins = ["roomkey.testing.fixtures"]`` in the ``conftest.py`` at
the top of your tests.
"""

from collections.abc import Iterator

import pytest

from roomkey.resource_server.validator import TokenValidator
from roomkey.testing.api import ProtectedAPI
from roomkey.testing.clock import FakeClock
from roomkey.testing.faults import FaultyServer
from roomkey.testing.issuer import Issuer
from roomkey.testing.leaks import LeakDetector


def _expect_no_failure(server: FaultyServer) -> None:
    if server.failures:
        raise AssertionError(f"the test server itself failed: {server.failures}")


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until the test moves it."""
    return FakeClock()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """A running authorization server of its own for each test; it must not have failed by itself."""
    with Issuer() as running:
        yield running
    _expect_no_failure(running)


@pytest.fixture
def api(issuer: Issuer) -> Iterator[ProtectedAPI]:
    """A running API that takes the tokens of ``issuer``; it must not have failed by itself."""
    with ProtectedAPI(issuer) as running:
        yield running
    _expect_no_failure(running)


@pytest.fixture
def validator(issuer: Issuer) -> TokenValidator:
    """A validator for the tokens of ``issuer`` that finds its keys as it would those of any other."""
    return TokenValidator(issuer=issuer.url, audience=issuer.audience)


@pytest.fixture
def leaks(issuer: Issuer) -> Iterator[LeakDetector]:
    """A detector that watches logs, stdout and stderr during the test for every secret that ``issuer`` knows.

    The test fails at its end where one was printed.
    """
    detector = LeakDetector(known=lambda: issuer.secret_values)
    with detector.watch():
        yield detector
    detector.assert_clean()
