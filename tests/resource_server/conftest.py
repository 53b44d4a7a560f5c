"""An issuer and validators for its tokens, on a clock that is moved by hand."""

from collections.abc import Callable, Iterator

import pytest
from tests.resource_server.dpop_api import API
from tests.support.issuer import ExtendedIssuer

import roomkey
from roomkey.testing import FakeClock, Issuer

MakeValidator = Callable[..., roomkey.TokenValidator]


@pytest.fixture
def issuer(clock: FakeClock) -> Iterator[Issuer]:
    with ExtendedIssuer(clock=clock) as running:
        yield running
    assert running.failures == []


@pytest.fixture
def make_validator(issuer: Issuer, clock: FakeClock) -> MakeValidator:
    def make(**settings: object) -> roomkey.TokenValidator:
        defaults: dict[str, object] = {"issuer": issuer.url, "audience": issuer.audience, "clock": clock}
        return roomkey.TokenValidator(**(defaults | settings))  # type: ignore[arg-type]

    return make


@pytest.fixture
def validator(make_validator: MakeValidator) -> roomkey.TokenValidator:
    return make_validator()


@pytest.fixture
def asked(issuer: Issuer) -> Callable[[str], int]:
    """How often an endpoint of the issuer was asked, by the end of its path."""
    return lambda end: sum(path.endswith(end) for _, path in issuer.other_requests)


@pytest.fixture
def api(issuer: Issuer, clock: FakeClock) -> API:
    return API(issuer, clock)


@pytest.fixture
def api_with(issuer: Issuer, clock: FakeClock) -> Callable[..., API]:
    return lambda **settings: API(issuer, clock, **settings)
