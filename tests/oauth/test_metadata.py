"""What an issuer says of itself is believed only where it may be."""

import json

import pytest

from roomkey.http.messages import Response
from roomkey.http.transport import url_problem
from roomkey.oauth.discovery import read_metadata, well_known_urls
from roomkey.oauth.token_response import TokenEndpointError

ISSUER = "https://auth.example/tenant"


def read(status: int = 200, **members: object) -> str | None:
    body = json.dumps({"issuer": ISSUER, "token_endpoint": "https://auth.example/token"} | members).encode()
    return read_metadata(Response(status, (("Content-Type", "application/json"),), body), ISSUER).token_endpoint


def test_the_likelier_place_comes_first() -> None:
    assert well_known_urls(ISSUER + "/") == (
        "https://auth.example/.well-known/oauth-authorization-server/tenant",
        "https://auth.example/tenant/.well-known/openid-configuration",
        "https://auth.example/tenant/.well-known/oauth-authorization-server",
        "https://auth.example/.well-known/openid-configuration/tenant",
    )
    assert len(well_known_urls("https://auth.example")) == 2


def test_the_token_endpoint_may_stand_on_another_host() -> None:
    assert read(token_endpoint="https://login.example/token") == "https://login.example/token"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://auth.example/token",
        "http://127.0.0.1.evil.example/token",
        "http://127.0.0.1@evil.example/token",
        "https://user:password@auth.example/token",
        "https://auth.example/token#x",
        "https://auth.example/to ken",
        "https://auth.example:port/token",
        "ftp://auth.example/token",
        "/token",
        "",
        None,
        ["https://auth.example/token"],
    ],
)
def test_an_endpoint_that_no_secret_may_be_sent_to_counts_as_none(endpoint: object) -> None:  # client 56
    assert read(token_endpoint=endpoint) is None
    assert url_problem(endpoint)  # type: ignore[arg-type]


@pytest.mark.parametrize("issuer", ["https://evil.example", ISSUER + "/", ISSUER.upper(), None])
def test_metadata_of_another_issuer_are_rejected(issuer: object) -> None:
    with pytest.raises(TokenEndpointError, match="character for character"):
        read(issuer=issuer)


@pytest.mark.parametrize(("status", "error"), [(404, "no_metadata"), (302, "no_metadata"), (503, "server_error")])
def test_no_metadata_is_an_error_that_says_what_to_do(status: int, error: str) -> None:
    with pytest.raises(TokenEndpointError, match="check issuer=") as caught:
        read(status)
    assert caught.value.error == error
