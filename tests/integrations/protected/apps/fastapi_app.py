"""A protected API with FastAPI."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Request, Response, Security, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
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
    serve_asgi,
)

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
app.add_middleware(CORSMiddleware, allow_origins=[ORIGIN], allow_headers=["Authorization"])
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


guarded = APIRouter(dependencies=[Security(auth, scopes=["orders:read"])])


@guarded.get("/guarded")
def behind_the_router() -> dict[str, Any]:
    return {"guarded": True}


@guarded.get("/guarded-twice", dependencies=[Security(auth, scopes=["orders:write"])])
def behind_both() -> dict[str, Any]:
    return {"guarded": True}


app.include_router(guarded)


@app.get("/shared")
def shared(claims: Reader, response: Response) -> dict[str, Any]:
    response.headers["Cache-Control"] = "public, max-age=60"
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
