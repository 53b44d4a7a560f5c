"""What FastAPI's own parts see of a protected application: its OpenAPI document, and dependencies in tests."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Security

import roomkey
from roomkey.errors import ConfigurationError
from roomkey.integrations.fastapi import BearerToken

VALIDATOR = roomkey.TokenValidator(
    issuer="https://auth.example",
    audience="orders-api",
    introspection=roomkey.Introspection(client_id="orders-api", client_secret="s3cret", mode="local"),
)


def documented(auth: BearerToken) -> dict[str, Any]:
    app = FastAPI(dependencies=[Security(auth, scopes=["orders"])])

    @app.get("/orders")
    def orders(claims: Annotated[roomkey.Claims, Security(auth, scopes=["orders:read"])]) -> None: ...

    @app.get("/admin")
    def admin(claims: Annotated[roomkey.Claims, Depends(auth.require(scopes="orders:admin", fresh=True))]) -> None: ...

    return app.openapi()


def test_the_openapi_document_has_the_scheme_and_the_scopes_of_each_route() -> None:
    document = documented(BearerToken(VALIDATOR))
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert document["components"]["securitySchemes"] == {"BearerToken": scheme}
    assert document["paths"]["/orders"]["get"]["security"] == [{"BearerToken": ["orders", "orders:read"]}]
    assert document["paths"]["/admin"]["get"]["security"] == [{"BearerToken": ["orders", "orders:admin"]}]
    assert "parameters" not in document["paths"]["/orders"]["get"]


def test_with_a_token_endpoint_the_documentation_pages_can_get_a_token() -> None:
    auth = BearerToken(
        VALIDATOR,
        token_endpoint="https://auth.example/token",
        scopes={"orders:read": "See orders."},
        scheme_name="Orders",
    )
    (scheme,) = documented(auth)["components"]["securitySchemes"].values()
    flow = {"tokenUrl": "https://auth.example/token", "scopes": {"orders:read": "See orders."}}
    assert scheme == {"type": "oauth2", "flows": {"clientCredentials": flow}}


def test_a_requirement_of_the_wrong_form_is_reported_when_the_application_is_made() -> None:
    with pytest.raises(TypeError, match="scopes="):
        BearerToken(VALIDATOR).require(scopes=[""])
    with pytest.raises(TypeError, match="TokenValidator"):
        BearerToken("https://auth.example")  # type: ignore[arg-type]


def test_a_route_that_asks_for_an_answer_no_one_can_give_is_reported_when_the_application_is_made() -> None:
    auth = BearerToken(roomkey.TokenValidator(issuer="https://auth.example", audience="orders-api"))
    with pytest.raises(ConfigurationError, match="introspection="):
        auth.require(fresh=True)
