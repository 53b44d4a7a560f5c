"""Django's settings are read with care, and its decorators touch nothing but what they return."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test.utils import override_settings

import roomkey
from roomkey.errors import ConfigurationError
from roomkey.integrations.django import Configured, public, require
from roomkey.integrations.django_rest_framework import requires

VALIDATOR = roomkey.TokenValidator(issuer="https://auth.example", audience="orders-api")


@pytest.fixture(autouse=True)
def in_a_project() -> Iterator[None]:
    if not settings.configured:
        settings.configure()
    with override_settings(ROOMKEY={"VALIDATOR": VALIDATOR}):
        yield


@pytest.mark.parametrize("given", [None, {}, {"REQUIREMENTS": roomkey.Requirements()}, "VALIDATOR"])
def test_settings_without_a_validator_are_rejected(given: object) -> None:
    with pytest.raises(ConfigurationError, match="VALIDATOR"):
        Configured(given)


def test_a_misspelt_setting_is_named() -> None:
    with pytest.raises(ConfigurationError, match="REQUIREMENT"):
        Configured({"VALIDATOR": VALIDATOR, "REQUIREMENT": roomkey.Requirements()})


def test_requirements_of_the_wrong_kind_are_rejected() -> None:
    with pytest.raises(TypeError, match="REQUIREMENTS"):
        Configured({"VALIDATOR": VALIDATOR, "REQUIREMENTS": {"scopes": ["orders:read"]}})


def test_requirements_that_no_one_could_meet_are_reported_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="introspection="):
        Configured({"VALIDATOR": VALIDATOR, "REQUIREMENTS": roomkey.Requirements(fresh=True)})
    for declare in (require, requires):
        with pytest.raises(ConfigurationError, match="introspection="):
            declare(fresh=True)


def test_a_view_that_is_declared_without_a_validator_is_reported_at_the_start() -> None:
    for declare in (require, requires):
        with override_settings(ROOMKEY=None), pytest.raises(ConfigurationError, match="VALIDATOR"):
            declare(scopes=["orders:read"])


def test_a_view_that_needs_a_token_needs_no_cookie_against_forgery() -> None:
    assert require()(lambda request: None).csrf_exempt is True  # type: ignore[attr-defined]


def test_a_view_made_public_at_one_url_stays_protected_at_others() -> None:
    def view(request: object) -> str:
        """A page."""
        return "seen"

    opened = public(view)
    assert opened(object()) == "seen"
    assert opened.__doc__ == "A page."
    assert vars(opened) != vars(view) == {}
