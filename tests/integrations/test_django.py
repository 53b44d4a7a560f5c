"""Django's settings are read with care, and its decorators touch nothing but what they return."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.utils import override_settings
from django.views.decorators.cache import cache_page

import roomkey
from roomkey.errors import ConfigurationError
from roomkey.integrations.django import Configured, public, require
from roomkey.integrations.django_rest_framework import TokenUser, requires
from roomkey.testing import Issuer

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


def a_request(token: str) -> Any:
    return RequestFactory().get("/mine", headers={"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("stated", [None, "public, max-age=60"])
def test_a_cache_around_a_decorated_view_keeps_nothing(issuer: Issuer, stated: str | None) -> None:
    runs = itertools.count()

    def mine(_request: Any) -> HttpResponse:
        return HttpResponse(str(next(runs)), headers={} if stated is None else {"Cache-Control": stated})

    validator = roomkey.TokenValidator(issuer=issuer.url, audience=issuer.audience)
    with override_settings(ROOMKEY={"VALIDATOR": validator}, ALLOWED_HOSTS=["testserver"]):
        cached = cache_page(60)(require()(mine))
        token = issuer.issue()
        assert [cached(a_request(token)).content for _ in range(2)] == [b"0", b"1"]
        assert cached(a_request("x")).status_code == cached(RequestFactory().get("/mine")).status_code == 401


def test_a_token_is_a_user_without_any_permission_of_django() -> None:
    user = TokenUser(claims := roomkey.Claims({}, subject="alice", client_id="reports"))
    assert (user.pk, user.id, user.get_username(), user.claims) == ("alice", "alice", "alice", claims)
    assert (user.is_active, user.is_staff, user.is_superuser) == (True, False, False)
    assert not user.has_perm("orders.add_order")
    assert not user.has_perms(["orders.add_order"], object())
    assert user.has_perms([])  # nothing is required: DjangoModelPermissions lets any user read
    assert not user.has_module_perms("orders")
    assert user.get_all_permissions() == set()


def test_clients_without_a_subject_are_throttled_each_by_itself() -> None:
    assert TokenUser(roomkey.Claims({}, client_id="reports")).pk == "reports"
    assert TokenUser(roomkey.Claims({})).pk is None


def test_a_view_made_public_at_one_url_stays_protected_at_others() -> None:
    def view(request: object) -> str:
        """A page."""
        return "seen"

    opened = public(view)
    assert opened(object()) == "seen"
    assert opened.__doc__ == "A page."
    assert vars(opened) != vars(view) == {}
