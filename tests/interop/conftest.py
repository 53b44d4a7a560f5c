"""The certified OpenID server of npm, one for each process that runs tests; without Node its tests do not run."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.oidc_provider import Client, OIDCProvider
from tests.interop.sources import Sources

import roomkey

FOLDER = Path(__file__).parent
OLDEST_NODE = 20


def missing() -> str:
    """What keeps the server from running here, or ""."""
    node = shutil.which("node")
    if node is None:
        return f"there is no Node on the PATH; install Node {OLDEST_NODE} or newer with npm"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        return f"Node {version} is too old; install Node {OLDEST_NODE} or newer"
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]["oidc-provider"]
    package = FOLDER / "node_modules/oidc-provider/package.json"
    if not package.is_file() or json.loads(package.read_text())["version"] != wanted:
        return f"oidc-provider {wanted} is not installed; `make test` installs it where npm reaches its registry"
    return ""


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[OIDCProvider]:
    reason = missing()
    if reason:
        reason = f"NOT RUN: the tests against a certified OpenID server, because {reason}"
        (pytest.fail if os.environ.get("CI", "").lower() in ("1", "true") else pytest.skip)(reason)
    running = OIDCProvider()
    yield running
    running.close()


@pytest.fixture
def client(oidc_provider: OIDCProvider) -> Client:
    """A client of the test's own, registered a moment ago."""
    return oidc_provider.register("client_credentials", "password", "refresh_token")


@pytest.fixture
def manager() -> Iterator[roomkey.TokenManager]:
    with roomkey.TokenManager(roomkey.MemoryStore()) as running:
        yield running


@pytest.fixture
def sources(oidc_provider: OIDCProvider, client: Client) -> Sources:
    return Sources(oidc_provider, client)
