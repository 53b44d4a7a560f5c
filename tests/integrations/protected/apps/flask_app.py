"""A protected API with Flask."""

from typing import Any

from flask import Blueprint, Flask, g, request
from serving import (
    ERROR_RESPONSES,
    ORIGIN,
    PROXIES,
    RESOURCE,
    STEP_UP,
    VALIDATOR,
    Teapot,
    own_mistake,
    seen,
    serve_wsgi,
)

from roomkey.integrations.flask import BearerToken

auth = BearerToken(
    VALIDATOR,
    tenant=lambda request: request.view_args["tenant"],
    error_responses=ERROR_RESPONSES,
    resource=RESOURCE,
    certificates_from=PROXIES,
)
app = Flask(__name__)
app.register_blueprint(auth.metadata_route)


@app.get("/orders")
@auth.require(scopes=["orders:read"])
def orders() -> Any:
    return seen(g.claims)


@app.get("/async")
@auth.require(scopes="orders:read")
async def orders_async() -> Any:
    return seen(g.claims)


@app.post("/orders")
@auth.require(scopes=["orders:write"])
def receive() -> Any:
    return {"received": request.get_data(as_text=True)}


@app.get("/admin")
@auth.require(roles=["admin"])
def admin() -> Any:
    return seen(g.claims)


@app.get("/payments")
@auth.require(**STEP_UP)
def payments() -> Any:
    return seen(g.claims)


@app.get("/tenants/<tenant>/orders")
@auth.require(tenant=True)
def of_tenant(tenant: str) -> Any:
    return seen(g.claims)


guarded = Blueprint("guarded", __name__)
guarded.before_request(auth.require(scopes=["orders:read"])(lambda: None))


@guarded.get("/guarded")
def behind_the_blueprint() -> Any:
    return {"guarded": True}


@guarded.route("/own-options", methods=["GET", "OPTIONS"])
def own_options() -> Any:
    return {"subject": g.claims.subject}


@guarded.get("/guarded-twice")
@auth.require(scopes=["orders:write"])
def behind_both() -> Any:
    return {"guarded": True}


app.register_blueprint(guarded)


@app.after_request
def shared_with_the_shop(response: Any) -> Any:
    response.headers["Access-Control-Allow-Origin"] = ORIGIN
    response.headers["Access-Control-Allow-Headers"] = "Authorization"
    return response


@app.get("/shared")
@auth.require(scopes=["orders:read"])
def shared() -> Any:
    return seen(g.claims), {"Cache-Control": "public, max-age=60"}


@app.get("/health")
def health() -> Any:
    return {"open": "claims" not in g}


@app.get("/broken")
@auth.require()
def broken() -> Any:
    own_mistake()


@app.get("/teapot")
@auth.require()
def teapot() -> Any:
    raise Teapot


@app.errorhandler(Teapot)
def brewed(_error: Teapot) -> Any:
    return {"own": True}, 418


serve_wsgi(app)
