"""An API's metadata: where they stand and what they say (RFC 9728)."""

import json

import pytest

from roomkey import ConfigurationError, ProtectedResource


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://orders.example", "https://orders.example/.well-known/oauth-protected-resource"),
        ("https://orders.example/", "https://orders.example/.well-known/oauth-protected-resource"),
        ("https://orders.example:8443/v1", "https://orders.example:8443/.well-known/oauth-protected-resource/v1"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/.well-known/oauth-protected-resource/v1/"),
    ],
)
def test_the_metadata_stand_between_host_and_path(resource: str, url: str) -> None:
    described = ProtectedResource(resource=resource)
    assert described.metadata_url == url
    assert url.endswith(described.metadata_path)


def test_what_is_not_said_is_left_out() -> None:
    document = json.loads(ProtectedResource(resource="https://orders.example").document(["https://auth.example"]))
    assert document == {
        "resource": "https://orders.example",
        "authorization_servers": ["https://auth.example"],
        "bearer_methods_supported": ["header"],
    }


def test_everything_that_is_said_is_there() -> None:
    described = ProtectedResource(
        resource="https://orders.example",
        scopes_supported="orders:read orders:write",
        authorization_servers=["https://front.example"],
        resource_name="Orders",
        resource_documentation="https://orders.example/docs",
    )
    document = json.loads(described.document(["https://auth.example"]))
    assert document["authorization_servers"] == ["https://front.example"]
    assert document["scopes_supported"] == ["orders:read", "orders:write"]
    assert document["resource_name"] == "Orders"
    assert document["resource_documentation"] == "https://orders.example/docs"


@pytest.mark.parametrize(
    "resource",
    [
        "orders.example",
        "http://orders.example",
        "https://orders.example?a=1",
        "https://orders.example/#a",
        "https://orders.example/<id>",
        "https://orders.example/{id}",
        "https://orders.example/%41",
    ],
)
def test_a_url_that_cannot_name_an_api_is_rejected(resource: str) -> None:
    with pytest.raises(ConfigurationError, match="resource="):
        ProtectedResource(resource=resource)
