"""The three processes of the pattern: the auth service, the orders API and an app, each as its user would start it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

EXAMPLES = Path(__file__).parents[3] / "examples"
ROOMKEY = Path(sys.executable).with_name("roomkey")
PATIENCE = 30.0


@dataclass(frozen=True)
class AuthService:
    """A running ``roomkey serve`` and the folder that it keeps everything in."""

    data: Path
    issuer: str
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def admin(self, *arguments: str, stdin: str | None = None) -> dict[str, Any]:
        """What ``roomkey admin`` answers with --json."""
        command = [str(ROOMKEY), "admin", "--data", str(self.data), *arguments, "--json"]
        done = subprocess.run(command, input=stdin, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@contextlib.contextmanager
def auth_service(data: Path, port: int | None = None) -> Iterator[AuthService]:
    """``roomkey serve`` on a port of its own."""
    port = port or free_port()
    with serving(port, data, data.with_suffix(".log")) as child:
        issuer = f"http://127.0.0.1:{port}"
        until(lambda: httpx2.get(f"{issuer}/health").status_code == 200, child)
        yield AuthService(data, issuer, child)


@contextlib.contextmanager
def two_nodes(data: Path, database: str) -> Iterator[list[str]]:
    """Two processes of one service that start at the same moment, by their addresses; the first one is the issuer."""
    ports = [free_port() for _ in range(2)]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    options = "--database", database, "--issuer", urls[0]
    with contextlib.ExitStack() as stack:
        logs = [data.with_name(f"node-{port}.log") for port in ports]
        nodes = [stack.enter_context(serving(port, data, log, *options)) for port, log in zip(ports, logs, strict=True)]
        for url, node in zip(urls, nodes, strict=True):
            until(lambda url=url: httpx2.get(f"{url}/health").status_code == 200, node)
        yield urls


def serving(
    port: int, data: Path, log: Path, *options: str
) -> "contextlib.AbstractContextManager[subprocess.Popen[bytes]]":
    """A process of ``roomkey serve``."""
    command = [str(ROOMKEY), "serve", "--data", str(data), "--listen", f"127.0.0.1:{port}", *options]
    return process(command, {}, log)


@contextlib.contextmanager
def orders_api(service: AuthService, validated_by: str, secret: str, folder: Path) -> Iterator[str]:
    """The protected orders API of the examples, which validates tokens in one of its three ways; its URL."""
    port = free_port()
    jwk_file = folder / "auth.jwk"
    jwk_file.write_bytes(httpx2.get(f"{service.issuer}/oauth2/jwks").content)
    settings = {
        "AUTH_ISSUER": service.issuer,
        "AUTH_JWK_FILE": str(jwk_file),
        "ORDERS_JUDGED_BY": validated_by,
        "ORDERS_API_SECRET": secret,
        "PORT": str(port),
    }
    program = [sys.executable, str(EXAMPLES / "protected_api_fastapi.py")]
    with process(program, settings, folder / f"orders-{validated_by}.log") as child:
        until(lambda: httpx2.get(f"http://127.0.0.1:{port}/orders").status_code == 401, child)
        yield f"http://127.0.0.1:{port}"


def app(program: str, settings: Mapping[str, str], home: Path) -> subprocess.CompletedProcess[str]:
    """An app of the examples, run to its end."""
    own = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    command = [sys.executable, str(EXAMPLES / program)]
    return subprocess.run(
        command, check=False, env=os.environ | own | settings, capture_output=True, text=True, timeout=60
    )


@contextlib.contextmanager
def process(command: list[str], settings: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        child = subprocess.Popen(command, env=os.environ | settings, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield child
        finally:
            killed = child.poll() == -signal.SIGKILL  # by a test, on purpose
            child.send_signal(signal.SIGTERM)
            assert child.wait(PATIENCE) in (0, -signal.SIGTERM) or killed


def until(ready: Any, child: "subprocess.Popen[bytes]") -> None:
    """Wait until ``ready()`` is true; fails where the process ends first, or after half a minute."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert child.poll() is None, "the process ended before it served"
        with contextlib.suppress(httpx2.TransportError):
            if ready():
                return
        time.sleep(0.05)
    raise AssertionError("the process did not serve in time")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def secrets_in(text: str) -> list[str]:
    """Everything in ``text`` that looks like a token or a secret of the service."""
    return re.findall(r"eyJ[\w-]{10,}\.[\w-]+\.[\w-]+|rk[a-z]{2}_[0-9A-Za-z]{40,}", text)
