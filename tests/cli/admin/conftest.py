"""``roomkey admin`` on a service's folder of the test's own."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.authorization_server.server.conftest import start
from tests.cli.conftest import Done, Home

from roomkey.testing import Issuer

__all__ = ["start"]


@dataclass
class Admin:
    """``admin("api", "list")`` is the command in this process; ``admin.json(…)`` what it prints for a script."""

    home: Home
    data: Path

    def __call__(self, *words: str, stdin: str = "") -> Done:
        return self.home.call("admin", "--data", str(self.data), *words, stdin=stdin)

    def json(self, *words: str, stdin: str = "") -> dict[str, Any]:
        done = self(*words, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def terminal(self, *words: str, width: int = 80) -> str:
        return self.home.terminal("admin", "--data", str(self.data), *words, width=width).stdout

    def orders(self) -> None:
        """An API and an account that may read there."""
        self.json("api", "create", "orders-api", "--scopes", "orders:read orders:write")
        self.json("service-account", "create", "reports", "--apis", "orders-api", "--scopes", "orders:read")


@pytest.fixture
def admin(tmp_path: Path, issuer: Issuer) -> Admin:
    folder = tmp_path / "home"
    folder.mkdir()
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}
    return Admin(Home(folder, environment, issuer), tmp_path / "data")
