"""pytest fixtures: ``issuer``, ``api``, ``validator`` and ``clock``.

They are not registered by themselves: write ``pytest_plugins = ["roomkey.testing.fixtures"]`` in the ``conftest.py`` at
the top of your tests.
"""

from collections.abc import Iterator

import pytest

from roomkey.resource_server.validator import TokenValidator
from roomkey.testing.clock import FakeClock
from roomkey.testing.issuer import Issuer
from roomkey.testing.protected_api import ProtectedAPI


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until the test moves it."""
    return FakeClock()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """A running authorization server for each test, which must not have failed by itself."""
    with Issuer() as running:
        yield running
    assert not running.failures, f"the test server itself failed: {running.failures}"  # noqa: S101 - a test's verdict


@pytest.fixture
def api(issuer: Issuer) -> Iterator[ProtectedAPI]:
    """A running API that accepts the tokens of ``issuer``, which must not have failed by itself."""
    with ProtectedAPI(issuer) as running:
        yield running
    assert not running.failures, f"the test server itself failed: {running.failures}"  # noqa: S101 - a test's verdict


@pytest.fixture
def validator(issuer: Issuer) -> TokenValidator:
    """A validator for the tokens of ``issuer``, which discovers its keys."""
    return TokenValidator(issuer=issuer.url, audience=issuer.audience)
