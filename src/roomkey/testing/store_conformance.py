"""What every store must do, as tests that the author of a store runs with pytest.

Give the suite a fixture ``world`` that makes fresh, empty stores, and it collects by itself::

    class TestMyStore(StoreConformance):
        @pytest.fixture
        def world(self, tmp_path):
            return MyWorld(tmp_path)

The suite asks for no more than :class:`StoreWorld`; where time cannot be faked, ``advance`` may simply sleep.
"""

from roomkey.testing.lease_conformance import LeaseConformance
from roomkey.testing.record_conformance import RecordConformance
from roomkey.testing.store_world import KEY, OTHER, StoreWorld, at_once

__all__ = ["KEY", "OTHER", "StoreConformance", "StoreWorld", "at_once"]


class StoreConformance(RecordConformance, LeaseConformance):
    """The whole suite."""
