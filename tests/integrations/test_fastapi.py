"""What FastAPI's own parts see of a protected application: its OpenAPI document, and dependencies in tests."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.testclient import TestClient

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


@pytest.mark.parametrize(
    ("named", "offered"),
    [((), ["orders:admin", "orders", "orders:read"]), (["orders:read"], ["orders:read"])],
    ids=["by its routes", "by the metadata itself"],
)
def test_the_metadata_offer_the_scopes_of_routes_that_are_declared_after_it(
    named: list[str], offered: list[str]
) -> None:  # validator 43
    resource = roomkey.ProtectedResource(resource="https://orders.example", scopes_supported=named)
    auth = BearerToken(VALIDATOR, resource=resource)
    app = FastAPI()
    app.include_router(auth.metadata_route)
    router = APIRouter(dependencies=[Security(auth, scopes=["orders"])])

    @router.get("/orders", dependencies=[Security(auth, scopes=["orders:read"])])
    def orders() -> None: ...

    @router.delete("/orders", dependencies=[Depends(auth.require(scopes="orders:admin"))])
    def forget() -> None: ...

    app.include_router(router)
    client = TestClient(app)
    for _ in range(2):
        found = client.get("/.well-known/oauth-protected-resource").json()["scopes_supported"]
        assert found == offered
    for _ in range(2):  # the router's own dependency rejects, and names the route's scopes too
        assert 'scope="orders orders:read"' in client.get("/orders").headers["www-authenticate"]
        assert 'scope="orders orders:admin"' in client.delete("/orders").headers["www-authenticate"]


def test_an_application_without_an_openapi_document_rejects_and_describes_itself_all_the_same() -> None:
    auth = BearerToken(VALIDATOR, resource=roomkey.ProtectedResource(resource="https://orders.example"))
    app = FastAPI(dependencies=[Security(auth, scopes=["orders"])])

    @app.get("/orders")
    def orders(body: Annotated[Any, Depends(lambda: None)]) -> None: ...

    def no_document() -> dict[str, Any]:
        raise TypeError("no schema for this type")

    app.openapi = no_document  # type: ignore[method-assign]
    outer = FastAPI()
    outer.include_router(auth.metadata_route)
    outer.openapi = no_document  # type: ignore[method-assign]
    outer.mount("/shop", app)
    client = TestClient(outer)
    rejected = client.get("/shop/orders")
    assert (rejected.status_code, rejected.headers["www-authenticate"].split(",")[0]) == (401, 'Bearer scope="orders"')
    assert "scopes_supported" not in client.get("/.well-known/oauth-protected-resource").json()
