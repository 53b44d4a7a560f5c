import pytest

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.identity import throttle
from roomkey.authorization_server.identity.throttle import FailureCounter
from roomkey.authorization_server.service import Service
from roomkey.testing import FakeClock

ONE = FailureCounter("password", "user:1", free=3, first=30)


@pytest.mark.slow
def test_blocks_double_and_end_at_a_quarter_of_an_hour(service: Service, clock: FakeClock) -> None:  # auth service 39
    lengths = []
    for _ in range(12):
        with service.unit_of_work(SERVICE) as uow:
            began = throttle.failed(uow, ONE)
        length = 0
        while throttle_blocked(service):
            clock.advance(10)
            length += 10
        lengths.append(length)
        assert began == (length > 0)
    assert lengths[:2] == [0, 0]
    assert lengths[2:8] == [30, 60, 120, 240, 480, 900]
    assert max(lengths) == 900


def test_a_clock_that_is_set_back_lengthens_no_block(service: Service, clock: FakeClock) -> None:
    clock.advance(3600)
    with service.unit_of_work(SERVICE) as uow:
        for _ in range(12):
            throttle.failed(uow, ONE)
    assert throttle_blocked(service)
    clock.step_wall(-3600)
    assert not throttle_blocked(service)


def throttle_blocked(service: Service) -> bool:
    with service.look(SERVICE) as uow:
        return throttle.blocked(uow, ONE, FailureCounter("password", "user:2", free=1))


def test_success_and_a_day_of_peace_are_forgotten(service: Service, clock: FakeClock) -> None:  # auth service 39
    with service.unit_of_work(SERVICE) as uow:
        assert not throttle.failed(uow, ONE)
        assert not throttle.failed(uow, ONE)
        throttle.succeeded(uow, ONE)
        assert not throttle.failed(uow, ONE)
        assert not throttle.failed(uow, ONE)
    clock.advance(24 * 3600 + 1)
    with service.unit_of_work(SERVICE) as uow:
        assert not throttle.failed(uow, ONE)


def test_a_customers_whole_ipv6_network_counts_as_one_address() -> None:  # auth service 39
    assert throttle.network("2001:db8:1:2::5") == throttle.network("2001:db8:1:2:ffff::9")
    assert throttle.network("2001:db8:1:2::5") != throttle.network("2001:db8:1:3::5")
    assert throttle.network("::ffff:192.0.2.1") == throttle.network("192.0.2.1") == "192.0.2.1"
    assert len(throttle.network("x" * 10_000)) == 32
