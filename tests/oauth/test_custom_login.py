"""The declared request of a custom login."""

import json

import pytest

import roomkey
from roomkey.oauth.source import Moment, reveal


def login(**settings: object) -> roomkey.CustomLogin:
    return roomkey.CustomLogin(url="https://api.example/login", **settings)  # type: ignore[arg-type]


def test_dotted_fields_make_nested_json_and_secrets_stay_out_of_the_parameters() -> None:
    source = login(fields={"user.name": "reports", "user.password": roomkey.Secret("hidden-value")})
    request = source.login_request(source.url, reveal(source.secrets()), Moment(0.0, "one"))
    assert json.loads(request.body) == {"user": {"name": "reports", "password": "hidden-value"}}
    assert "hidden-value" not in repr(source.parameters()) + repr(source) + repr(request)


def test_every_setting_makes_another_token() -> None:
    settings: list[dict] = [
        {},
        {"method": "PUT"},
        {"body": "form"},
        {"fields": {"a": "b"}},
        {"headers": {"X-A": "b"}},
        {"scheme": "Token"},
        {"refresh_field": "x"},
        {"app_header": "X-App"},
        {"default_lifetime": 7.0},
    ]
    assert len({login(**one).parameters() for one in settings}) == len(settings)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00", "Evil-ä"])
def test_a_header_secret_that_no_header_can_carry_is_rejected_by_name_without_its_value(
    value: str,
) -> None:  # client 50
    source = login(headers={"X-Key": roomkey.Secret(value)})
    with pytest.raises(roomkey.ConfigurationError, match="X-Key") as caught:
        source.login_request(source.url, reveal(source.secrets()), Moment(0.0, "one"))
    assert "Evil" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "post"},
        {"body": "xml"},
        {"body": "none", "fields": {"a": "b"}},
        {"headers": {"Host": "evil.example"}},
        {"fields": {"a": "b", "a.c": "d"}},
        {"scheme": "Bearer x"},
        {"app_header": "X-App\r\nX-Evil"},
        {"app_header": "Content-Length"},
        {"default_lifetime": 0.0},
    ],
)
def test_a_wrong_declaration_is_rejected_when_it_is_made(settings: dict) -> None:
    with pytest.raises(roomkey.ConfigurationError):
        login(**settings)
