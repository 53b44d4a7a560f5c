"""The real service on a real port of loopback, in a thread of the test."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from roomkey.authorization_server.app import oauth_routes
from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.directory import Directory
from roomkey.authorization_server.keys import endpoints as keys
from roomkey.authorization_server.lists import endpoints as lists
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.web.crowd import Crowd
from roomkey.clock import Clock


@contextmanager
def served(data: Path, clock: Clock | None = None, **settings: object) -> Iterator[Service]:
    """A service that answers at ``service.settings.issuer``."""
    listener = socket.create_server(("127.0.0.1", 0))
    with Service.open(Settings.at(data, port=listener.getsockname()[1], **settings), clock=clock) as service:
        clients = ClientAuthentication(service, Directory(service))
        routes = [*oauth_routes(service), *keys.routes(service, clients, Crowd()), *lists.routes(service)]
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            end = time.monotonic() + 10.0
            while not server.started and time.monotonic() < end:
                time.sleep(0.005)
            assert server.started
            yield service
        finally:
            server.should_exit = True
            thread.join()
            listener.close()
