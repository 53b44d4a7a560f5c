"""The service's server around a test's application: ``serving_child.py DATA BOUNDS``; its port on the first line."""

import asyncio
import json
import sys
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.endpoints.health import Health
from roomkey.authorization_server.schema.audit import counters
from roomkey.authorization_server.server.access_log import configure_logging
from roomkey.authorization_server.server.http_limits import Bounds
from roomkey.authorization_server.server.middleware import middleware
from roomkey.authorization_server.server.server import bind_socket, run, with_bound_port
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings


def main(folder: str, words: str) -> None:
    given = json.loads(words)
    proxies = tuple(given.pop("trusted_proxies", ()))
    with bind_socket(Settings.at(Path(folder), port=0)) as taken:
        settings = with_bound_port(Settings.at(Path(folder), port=0, trusted_proxies=proxies, log_format="json"), taken)
        with Service.open(settings) as service:

            async def slow(request: Request) -> Response:
                print("slow", flush=True)
                await asyncio.sleep(float(request.query_params.get("seconds", "1")))
                row = {"name": "slow", "value": 1}
                await service.perform(SERVICE, lambda uow: uow.connection.execute(counters.insert().values(row)))
                return PlainTextResponse("done")

            async def echo(request: Request) -> Response:
                return PlainTextResponse(str(len(await request.body())))

            async def whence(request: Request) -> Response:
                return PlainTextResponse(f"{request.client.host if request.client else ''} {request.url}")

            async def broken(request: Request) -> Response:
                raise ValueError("the password is hunter2")

            app = Starlette(
                routes=[
                    Route("/health", Health(service)),
                    Route("/slow", slow),
                    Route("/echo/{name}", echo, methods=["POST", "GET"]),
                    Route("/whence", whence),
                    Route("/broken", broken),
                ],
                middleware=middleware(settings),
            )
            configure_logging(settings.log_format)
            ready = lambda: print(settings.port, flush=True)  # noqa: E731
            run(settings, app, taken, ready=ready, bounds=Bounds(**given, proxies=proxies))


if __name__ == "__main__":
    main(*sys.argv[1:])
