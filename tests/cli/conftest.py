"""A home of its own for each test, with a roomkey.toml for the test's issuer and API, and the real command in it."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from roomkey.testing import Issuer, LeakDetector, ProtectedAPI

TOML = """
[store]
url = "sqlite:///tokens.db"

[credentials.orders]
source = "client_credentials"
token_endpoint = "{token_endpoint}"
client_id = "reports"
client_secret = {{ env = "ORDERS_SECRET" }}
scope = "orders:read"
base_url = "{api}"
"""


@dataclass
class Home:
    """A folder with a roomkey.toml, and everything that the command printed in it."""

    folder: Path
    environment: dict[str, str]
    printed: list[str] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "roomkey.toml"

    def add(self, text: str) -> None:
        self.file.write_text(self.file.read_text() + text)

    def run(self, *arguments: str, stdin: bytes | str = b"", **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", "import sys; from roomkey.cli.main import main; sys.exit(main())", *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            check=False,
            cwd=self.folder,
            env={**self.environment, **environment},
            timeout=60,
        )
        text = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
        self.printed += [text.stdout, text.stderr]
        return text


@pytest.fixture
def home(tmp_path: Path, issuer: Issuer, api: ProtectedAPI):
    folder = tmp_path / "home"
    folder.mkdir()
    environment = {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
        "PATH": os.environ["PATH"],
        "ORDERS_SECRET": str(issuer.client.client_secret),
        "PYTHONWARNINGS": "error",
    }
    made = Home(folder, environment)
    made.file.write_text(TOML.format(token_endpoint=issuer.token_endpoint, api=api.url))
    return made


@pytest.fixture
def nothing_leaks(home: Home, issuer: Issuer):
    """At the end of the test, everything that was printed is searched for every secret that the issuer knows."""
    detector = LeakDetector(known=lambda: issuer.secret_values)
    yield detector
    assert home.printed
    detector.assert_clean(*home.printed)
