"""The metadata, as clients find everything by it."""

import pytest

from roomkey.authorization_server.clients.credentials import Method

PATHS = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]


@pytest.mark.parametrize("path", PATHS)
def test_every_address_comes_from_the_settings_and_is_served(oauth, path):
    issuer = oauth.service.settings.issuer
    answer = oauth.ask("GET", path, headers={"x-forwarded-host": "evil.example", "x-forwarded-proto": "http"})
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found["issuer"] == issuer
    assert "evil" not in answer.text
    addresses = [value for name, value in found.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(addresses) >= 6
    addresses.remove(issuer + "/oauth2/authorize")  # whose tests are its own
    for address in addresses:
        assert address.startswith(issuer + "/oauth2/")
        assert oauth.ask("GET", address.removeprefix(issuer)).status_code != 404, address


@pytest.mark.parametrize("path", PATHS)
def test_it_is_kept_for_an_hour_and_asked_for_by_get_and_head_alone(oauth, path):
    assert oauth.ask("GET", path).headers["cache-control"] == "public, max-age=3600"
    assert oauth.ask("HEAD", path).status_code == 200
    assert oauth.ask("POST", path).status_code == 405


def test_it_says_what_clients_need(oauth):
    """RFC 8414 section 2."""
    found = oauth.ask("GET", PATHS[1]).json()
    assert found["response_types_supported"] == ["code"]
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert "none" not in found["token_endpoint_auth_signing_alg_values_supported"]
    assert set(found["token_endpoint_auth_methods_supported"]) == set(Method)
    assert "none" not in found["introspection_endpoint_auth_methods_supported"]
    assert {"client_credentials", "refresh_token", "password"} <= set(found["grant_types_supported"])
