"""canaille 0.3.6 as the issuer of a client: discovery, client credentials, a refresh, and a rejected refresh.

Its clients and users are made by its own command. It takes client_secret_post for passwords
and refresh tokens, and Basic alone for client credentials, whatever its metadata says.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import httpx2
from checks import Checks, free_port, wait_for

import roomkey

VERSION = "0.3.6"
PASSWORD = "correct horse battery"


class Canaille:
    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=True)
        self._program = folder / "venv/bin/canaille"
        wanted = [f"canaille[oidc,server,sqlite]=={VERSION}", "sqlalchemy"]
        subprocess.run(
            [folder / "venv/bin/python", "-m", "pip", "-q", "--disable-pip-version-check", "install", *wanted],
            check=True,
        )
        port = free_port()
        self.issuer = f"http://127.0.0.1:{port}"
        self._environment = os.environ | {
            "SECRET_KEY": "only for this run",
            "SERVER_NAME": f"127.0.0.1:{port}",
            "PREFERRED_URL_SCHEME": "http",
            "CANAILLE_SQL__DATABASE_URI": f"sqlite:///{folder}/canaille.sqlite",
            "CANAILLE_OIDC__ENABLE_OIDC": "true",
        }
        key = json.dumps(json.loads(self.run("jwk", "create", "rsa")))
        self._environment["CANAILLE_OIDC__ACTIVE_JWKS"] = f"[{key}]"
        self.run("install")
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            [self._program, "run", "--bind", f"127.0.0.1:{port}"],
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
        )
        wait_for(
            lambda: httpx2.get(f"{self.issuer}/.well-known/openid-configuration").status_code == 200,
            seconds=60,
            what="canaille's start",
        )

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._program, *arguments], env=self._environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def add_client(self, client_id: str, *grants: str, **settings: str) -> None:
        options = [f"--grant-types={grant}" for grant in grants]
        options += [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        self.run("create", "client", f"--client-id={client_id}", f"--client-secret=secret-of-{client_id}", *options)


def main() -> int:
    checks = Checks("canaille", VERSION)
    with tempfile.TemporaryDirectory() as name:
        canaille = Canaille(Path(name))
        try:
            with roomkey.TokenManager() as manager:
                steps(checks, canaille, manager)
        finally:
            canaille.close()
    return checks.finish()


def steps(checks: Checks, canaille: Canaille, manager: roomkey.TokenManager) -> None:
    def options(client_id: str) -> dict[str, Any]:
        return {"issuer": canaille.issuer, "client_id": client_id, "client_secret": f"secret-of-{client_id}"}

    basic, post = (
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_post"},
    )
    canaille.add_client("reports", "client_credentials", scope="profile", **basic)
    canaille.add_client("desktop", "password", "refresh_token", scope="openid profile", **post)
    canaille.run(
        "create",
        "user",
        "--user-name=alice",
        f"--password={PASSWORD}",
        "--family-name=Example",
        "--emails=a@shop.example",
    )
    with checks.step("issuer= finds the endpoints; client credentials"):
        source = roomkey.ClientCredentials(**options("reports"), scope="profile")
        assert manager.credential(source).token().value
    alice = manager.credential(
        roomkey.Password(
            **options("desktop"),
            username="alice",
            password=PASSWORD,
            scope="openid profile",
            authentication="client_secret_post",
        )
    )
    with checks.step("a password sign-in by client_secret_post, and a refresh with its refresh token"):
        first = alice.token()
        assert alice.refresh().value != first.value
    with checks.step("a rejected refresh leads to a new sign-in"):
        for token in json.loads(canaille.run("get", "token")):
            canaille.run("delete", "token", "--noconfirm", f"--token-id={token['token_id']}")
        assert alice.refresh().value


if __name__ == "__main__":
    sys.exit(main())
