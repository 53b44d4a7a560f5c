"""All that the OpenAPI document allows, and much that it does not, asked of the real service by schemathesis."""

import warnings
from collections.abc import Iterator

import httpx2
import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from tests.authorization_server.accounts.conftest import Acting
from tests.authorization_server.admin_api.conftest import House
from tests.authorization_server.running_service import running_service

from roomkey.authorization_server.admin_api.openapi import document
from roomkey.authorization_server.admin_api.routes import offered

pytestmark = pytest.mark.slow

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import positive_data_acceptance

SCHEMA = schemathesis.openapi.from_dict(document(offered(), issuer="http://127.0.0.1", version="1"))
ASKED = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}
# What takes no more than a text in its address can be asked nothing that its description does not allow.
WRONG = [label for label, one in ASKED.items() if one.body or one.query]
MODES = [(label, GenerationMode.POSITIVE) for label in ASKED] + [(label, GenerationMode.NEGATIVE) for label in WRONG]


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Where the service is, and the token of an administrator's robot; the clock stands still."""
    from roomkey.testing import FakeClock

    data = tmp_path_factory.mktemp("service")
    with running_service(data / "data", FakeClock()) as service, httpx2.Client() as http:
        house = House(service, Acting(service), http)
        house.acting.api()
        house.acting.account()
        made = house.robot("robot", "administrator", orders_api=("orders:read", "orders:write"))
        yield service.settings.issuer, made.token


@pytest.mark.parametrize(("label", "mode"), MODES)
@pytest.mark.filterwarnings("ignore")
def test_whatever_is_asked_the_answer_is_one_that_is_described(robot, label, mode):
    issuer, token = robot
    operation = ASKED[label]
    session = requests.Session()

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=8,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case):
        # What the schema allows may still be refused: that there is no such scope is not a matter of its form.
        case.call_and_validate(
            base_url=issuer,
            session=session,
            headers={"Authorization": f"Bearer {token}"},
            excluded_checks=[positive_data_acceptance],
        )

    ask()
    session.close()
