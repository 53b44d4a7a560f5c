"""The real service on a real port of loopback, in a thread of the test."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from tests.authorization_server.fresh_data import fresh_data

from roomkey.authorization_server.app import create_app
from roomkey.authorization_server.identity.passwords import Cost, PasswordHashing
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.clock import Clock


@contextmanager
def running_service(data: Path, clock: Clock | None = None, **settings: object) -> Iterator[Service]:
    """A service that answers at ``service.settings.issuer``."""
    listener = socket.create_server(("127.0.0.1", 0))
    with Service.open(
        Settings.at(data if data.exists() else fresh_data(data, clock), port=listener.getsockname()[1], **settings),
        clock=clock,
    ) as service:
        app = create_app(service, hashing=PasswordHashing(Cost(memory=8, passes=1)))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
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
