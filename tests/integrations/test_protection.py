"""What all frameworks' integrations share."""

import asyncio
import dataclasses
import json
import logging
import traceback

import pytest

import roomkey
from roomkey.errors import ConfigurationError, TokenMissing
from roomkey.integrations.protection import ANY_VALID_TOKEN, Protection, RequireOptions
from roomkey.integrations.request_credentials import RequestCredentials
from roomkey.resource_server.error_response import PreparedResponse
from roomkey.testing import Issuer

VALIDATOR = roomkey.TokenValidator(issuer="https://auth.example", audience="orders-api")
RESOURCE = roomkey.ProtectedResource(resource="https://orders.example/v1")


def test_require_takes_what_requirements_take() -> None:
    assert set(RequireOptions.__annotations__) == {field.name for field in dataclasses.fields(roomkey.Requirements)}


def test_challenges_name_the_metadata_unless_others_are_named() -> None:
    missing = TokenMissing("Send a token.", reason="no_credentials")
    own = roomkey.ErrorResponses(resource_metadata="https://elsewhere.example/metadata")
    assert (
        'resource_metadata="https://orders.example/.well-known/oauth-protected-resource/v1"'
        in dict(Protection(VALIDATOR, resource=RESOURCE).response(missing).headers)["WWW-Authenticate"]
    )
    named = dict(Protection(VALIDATOR, error_responses=own, resource=RESOURCE).response(missing).headers)
    assert named["WWW-Authenticate"] == 'Bearer resource_metadata="https://elsewhere.example/metadata"'


def test_metadata_that_no_one_described_cannot_be_served() -> None:
    with pytest.raises(ConfigurationError, match="resource="):
        Protection(VALIDATOR).published()


def scopes_in(metadata: PreparedResponse) -> list[str]:
    return json.loads(metadata.body).get("scopes_supported", [])


def test_metadata_name_the_scopes_of_routes_where_no_others_are_named() -> None:
    protection: Protection[None] = Protection(VALIDATOR, resource=RESOURCE)
    _, metadata = protection.published()
    assert scopes_in(metadata()) == []
    protection.require(scopes=["orders:read"])  # a route that is declared after that of the metadata
    protection.require(any_scope=["orders:write", "orders:admin"], roles=["clerk"])
    assert scopes_in(metadata()) == ["orders:read", "orders:write"]
    protection.require_everywhere(roomkey.Requirements(scopes="orders"))
    assert scopes_in(metadata()) == ["orders", "orders:read", "orders:write"]
    named = roomkey.ProtectedResource(resource="https://orders.example", scopes_supported="orders:read")
    other: Protection[None] = Protection(VALIDATOR, resource=named)
    other.require(scopes=["orders:write"])
    other.require_everywhere(roomkey.Requirements(scopes="orders"))
    assert scopes_in(other.metadata()) == ["orders", "orders:read"]


def test_the_log_has_the_reason_of_a_rejection_and_nothing_of_its_token(
    caplog: pytest.LogCaptureFixture,
) -> None:  # validator 44
    protection: Protection[None] = Protection(VALIDATOR)
    with caplog.at_level(logging.INFO, "roomkey"):
        outcome = protection.authorize(None, RequestCredentials(["Bearer one.two.three"]), ANY_VALID_TOKEN)
        assert isinstance(outcome, roomkey.InvalidToken)
        protection.response(outcome)
    assert caplog.messages == [f"A request is answered with 401 invalid_token ({outcome.reason})."]
    assert "two" not in caplog.text


def tenant_of(request: dict[str, str]) -> str:
    return request["tenant"]


@pytest.mark.parametrize("asked", [RequireOptions(tenant=True), RequireOptions(fresh=True)], ids=["tenant", "fresh"])
def test_a_mistake_of_the_api_shows_no_token_in_its_frames(
    issuer: Issuer, asked: RequireOptions
) -> None:  # validator 44
    validator = roomkey.TokenValidator(issuer=issuer.url, audience=issuer.audience)
    protection = Protection(validator, tenant=tenant_of)
    requirements, token = roomkey.Requirements(**asked), issuer.token()
    for call in (
        lambda: protection.authorize({}, RequestCredentials([f"Bearer {token}"]), requirements),
        lambda: asyncio.run(protection.authorize_async({}, RequestCredentials([f"Bearer {token}"]), requirements)),
    ):
        with pytest.raises((KeyError, ConfigurationError)) as caught:
            call()
        report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        own = [frame for frame in report.stack if "/src/roomkey/" in frame.filename]
        assert own
        assert not any(token in str(value) for frame in own for value in (frame.locals or {}).values())


def test_the_old_name_of_error_responses_works_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match="error_responses"):
        protection: Protection[None] = Protection(VALIDATOR, answering=roomkey.ErrorResponses(realm="orders"))
    assert 'realm="orders"' in dict(protection.missing().headers)["WWW-Authenticate"]
