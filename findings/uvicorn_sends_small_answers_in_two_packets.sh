#!/usr/bin/env bash
# uvicorn writes the head and the body of each answer apart: two packets and two system calls for a 20-byte JSON body.
#
# ASGI hands a server the head (http.response.start) before the body, and both of uvicorn's HTTP implementations send it
# at once, although the server is the only one who could wait for the first piece of the body. With TCP_NODELAY, which
# asyncio sets, nothing joins them again. For an endpoint whose whole work takes some 100 microseconds, such as token
# introspection, the second call and the client's second wake-up are a measurable part.
#
# Installs pinned packages in a temporary folder; needs Python 3.11 or newer and a package index. Talks to loopback only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" --disable-pip-version-check --quiet install uvicorn==0.54.0 httptools==0.8.0 starlette==1.10.0
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import importlib.metadata
import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

app = Starlette(routes=[Route("/introspect", lambda request: JSONResponse({"active": False}))])
REQUEST = b"GET /introspect HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
sends = []
send = socket.socket.send


class Counted(socket.socket):
    """A listening socket whose connections note what each call of send() is given."""

    def accept(self):
        descriptor, address = self._accept()
        return Counted(self.family, self.type, self.proto, fileno=descriptor), address

    def send(self, data, *flags):
        sends.append(len(data))
        return super().send(data, *flags)


def listening():
    taken = Counted(socket.AF_INET, socket.SOCK_STREAM)
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    taken.setblocking(False)
    return taken


async def ask(port):
    """One request; the sizes of the pieces in which its answer was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sends.clear()
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(len(b'{"active":false}'))
    writer.close()
    assert head.startswith(b"HTTP/1.1 200") and body == b'{"active":false}'
    # What the client itself sent goes through a plain socket and is not counted.
    return list(sends)


async def with_uvicorn(implementation):
    taken = listening()
    server = uvicorn.Server(uvicorn.Config(app, http=implementation, loop="asyncio", log_level="error"))
    task = asyncio.create_task(server.serve(sockets=[taken]))
    while not server.started:
        await asyncio.sleep(0.01)
    pieces = await ask(taken.getsockname()[1])
    server.should_exit = True
    await task
    return pieces


seen = {}
for implementation in ("h11", "httptools"):
    seen[f"uvicorn {importlib.metadata.version('uvicorn')} with {implementation}"] = asyncio.run(with_uvicorn(implementation))
for name, pieces in seen.items():
    print(f"{name}: {len(pieces)} calls of send() for one answer, of {' and '.join(map(str, pieces))} bytes")
sys.exit(0 if all(len(pieces) == 2 for pieces in seen.values()) else "this has changed: each answer took two calls before")
PYTHON
