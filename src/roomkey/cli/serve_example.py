"""``roomkey serve --example``: an API with scopes, a service account, a sample API that runs, and a roomkey.toml."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import CreateApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.service_accounts.commands import CreateServiceAccount, RotateAccountSecret
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.errors import Conflict
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.config.file import FILE_NAME
from roomkey.errors import ConfigurationError
from roomkey.http.transport import is_loopback
from roomkey.integrations import asgi
from roomkey.resource_server.requirements import Requirements
from roomkey.resource_server.validator import TokenValidator
from roomkey.stores.private_file import replace, write_new

AUDIENCE: Final = "example-api"
CLIENT_ID: Final = "example"
_SCOPES: Final = (Scope("orders:read", "See all orders."), Scope("orders:write", "Add orders."))
_FIRST_LINE: Final = "# Written by roomkey serve --example, which replaces it each time.\n"
_STARTING: Final = 10.0
_TEMPLATE: Final = (
    _FIRST_LINE
    + """
[credentials.example]
source = "client_credentials"
issuer = {issuer}
client_id = {client_id}
client_secret = {{ file = {secret} }}
scope = "orders:read"
base_url = {api}
"""
)


@dataclass(frozen=True, slots=True)
class Example:
    """The running sample API: its ``url``, and the configuration ``file`` with the credential to call it with."""

    url: str
    file: Path


def check_example(settings: Settings, folder: Path) -> None:
    """Raise ConfigurationError where the example cannot run, before anything is created.

    It is for this machine alone, and it replaces no roomkey.toml that it has not written.
    """
    if not is_loopback(settings.host):
        raise ConfigurationError("--example is for this machine alone; leave --listen out, or name a loopback address.")
    file = folder / FILE_NAME
    if file.exists() and not file.read_text("utf-8", "replace").startswith(_FIRST_LINE):
        raise ConfigurationError(
            f"--example writes a {FILE_NAME} into this folder, and there is one already; run it in another folder."
        )


@contextmanager
def running_example(service: Service, folder: Path) -> Iterator[Example]:
    """Create what is missing, write the configuration file into ``folder``, and run the sample API meanwhile.

    The API listens on the port after the auth service's, or on another one where that is taken. Blocks on the disk.
    """
    settings = service.settings
    secret = _create(service)
    with _listener(settings.port + 1) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        values = {"issuer": settings.issuer, "client_id": CLIENT_ID, "secret": str(secret), "api": url}
        # A basic string of TOML is written as one of JSON.
        text = _TEMPLATE.format(**{name: json.dumps(value, ensure_ascii=False) for name, value in values.items()})
        (folder / FILE_NAME).write_text(text, "utf-8")
        with _served(sample_api(settings.issuer), listener):
            yield Example(url, folder / FILE_NAME)


def _create(service: Service) -> Path:
    """Create the API and its service account where they are missing; the file with the account's client secret."""
    file = service.settings.data / "example.secret"
    try:
        with service.unit_of_work(Actor.console()) as uow:
            CreateApi(audience=AUDIENCE, scopes=_SCOPES, description="The sample API of serve --example.")(uow)
    except Conflict:
        pass
    try:
        with service.unit_of_work(Actor.console()) as uow:
            access = (Access(AUDIENCE, ("orders:read",)),)
            made = CreateServiceAccount(client_id=CLIENT_ID, apis=access)(uow).client_secret
    except Conflict:
        if file.exists():
            return file
        with service.unit_of_work(Actor.console()) as uow:
            made = RotateAccountSecret(CLIENT_ID, overlap=0)(uow).client_secret
    assert made is not None  # noqa: S101 - it authenticates by one
    if not write_new(file, made.value.encode()):
        replace(file, made.value.encode())
    return file


def sample_api(issuer: str) -> "asgi.BearerTokenMiddleware":
    """An ASGI application with ``GET /orders`` (orders:read) and ``POST /orders`` (orders:write)."""
    validator = TokenValidator(issuer=issuer, audience=AUDIENCE)
    read, write = Requirements(scopes="orders:read"), Requirements(scopes="orders:write")
    return asgi.BearerTokenMiddleware(
        _orders, validator, requirements=lambda scope: read if scope.get("method") == "GET" else write
    )


async def _orders(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:  # noqa: ARG001
    found = scope["path"] == "/orders"
    members = {"orders": [{"id": 1, "item": "a room"}], "client_id": scope["roomkey"].client_id} if found else {}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(members).encode()})


def _listener(port: int) -> socket.socket:
    for wanted in (port, 0):
        try:
            return socket.create_server(("127.0.0.1", wanted))
        except (OSError, OverflowError):
            continue
    raise ConfigurationError("--example found no free port on 127.0.0.1 for the sample API.")


@contextmanager
def _served(app: asgi.BearerTokenMiddleware, listener: socket.socket) -> Iterator[None]:
    """Serve ``app`` with uvicorn on a thread of its own."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="sample-api", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(_STARTING)
