"""A protected API with FastAPI."""

from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Request, Security, WebSocket
from fastapi.responses import JSONResponse
from serving import ERROR_RESPONSES, PROXIES, RESOURCE, STEP_UP, VALIDATOR, Teapot, own_mistake, seen, serve_asgi

from roomkey import Claims
from roomkey.integrations.fastapi import BearerToken

auth = BearerToken(
    VALIDATOR,
    tenant=lambda connection: connection.path_params["tenant"],
    error_responses=ERROR_RESPONSES,
    resource=RESOURCE,
    certificates_from=PROXIES,
)
app = FastAPI()
app.include_router(auth.metadata_route)

Reader = Annotated[Claims, Security(auth, scopes=["orders:read"])]


@app.get("/orders")
def orders(claims: Reader) -> dict[str, Any]:
    return seen(claims)


@app.get("/async")
async def orders_async(claims: Reader) -> dict[str, Any]:
    return seen(claims)


@app.post("/orders", dependencies=[Security(auth, scopes=["orders:write"])])
def receive(body: Annotated[str, Body(media_type="text/plain")]) -> dict[str, Any]:
    return {"received": body}


@app.get("/admin")
async def admin(claims: Annotated[Claims, Depends(auth.require(roles=["admin"]))]) -> dict[str, Any]:
    return seen(claims)


@app.get("/payments")
def payments(claims: Annotated[Claims, Depends(auth.require(**STEP_UP))]) -> dict[str, Any]:
    return seen(claims)


@app.get("/tenants/{tenant}/orders", dependencies=[Depends(auth.require(tenant=True))])
def of_tenant(tenant: str, claims: Annotated[Claims, Depends(auth)]) -> dict[str, Any]:
    return seen(claims)


@app.get("/health")
def health() -> dict[str, Any]:
    return {"open": True}


@app.get("/broken", dependencies=[Depends(auth)])
def broken() -> None:
    own_mistake()


@app.get("/teapot", dependencies=[Depends(auth)])
def teapot() -> None:
    raise Teapot


@app.exception_handler(Teapot)
async def brewed(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"own": True}, 418)


@app.websocket("/ws")
async def stream(websocket: WebSocket, claims: Reader) -> None:
    await websocket.accept()
    await websocket.send_json(seen(claims))
    await websocket.close()


serve_asgi(app)
