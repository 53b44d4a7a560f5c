"""Django's settings are read with care: what is missing or misspelt is told at start-up."""

import pytest

import roomkey
from roomkey.errors import ConfigurationError
from roomkey.integrations.django import Configured

VALIDATOR = roomkey.TokenValidator(issuer="https://auth.example", audience="orders-api")


@pytest.mark.parametrize("given", [None, {}, {"REQUIREMENTS": roomkey.Requirements()}, "VALIDATOR"])
def test_settings_without_a_validator_are_refused(given: object) -> None:
    with pytest.raises(ConfigurationError, match="VALIDATOR"):
        Configured(given)


def test_a_misspelt_setting_is_named() -> None:
    with pytest.raises(ConfigurationError, match="REQUIREMENT"):
        Configured({"VALIDATOR": VALIDATOR, "REQUIREMENT": roomkey.Requirements()})


def test_requirements_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(TypeError, match="REQUIREMENTS"):
        Configured({"VALIDATOR": VALIDATOR, "REQUIREMENTS": {"scopes": ["orders:read"]}})
