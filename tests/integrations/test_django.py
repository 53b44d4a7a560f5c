"""Django's settings are read with care, and its decorators touch nothing but what they return."""

import pytest

import roomkey
from roomkey.errors import ConfigurationError
from roomkey.integrations.django import Configured, public, require

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


def test_a_view_that_needs_a_token_needs_no_cookie_against_forgery() -> None:
    assert require()(lambda request: None).csrf_exempt is True  # type: ignore[attr-defined]


def test_a_view_made_public_at_one_address_stays_protected_at_others() -> None:
    def view(request: object) -> str:
        """A page."""
        return "seen"

    opened = public(view)
    assert opened(object()) == "seen"
    assert opened.__doc__ == "A page."
    assert vars(opened) != vars(view) == {}
