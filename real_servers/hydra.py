"""Ory Hydra 2.3.0 as an issuer: discovery, client credentials, scope lists, rotations, introspection.

Building it takes some minutes, Go and 2 GB of disk.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx2
from checks import Checks, free_port, wait_for

import roomkey

VERSION = "2.3.0"

# Hydra's own go.mod replaces pop; a program that imports Hydra has to do the same.
MODULE = f"""module hydra.example

go 1.24

replace github.com/gobuffalo/pop/v6 => github.com/ory/pop/v6 v6.2.1-0.20241121111754-e5dfc0f3344b

require github.com/ory/hydra/v2 v{VERSION}
"""
PROGRAM = """package main

import "github.com/ory/hydra/v2/cmd"

func main() { cmd.Execute() }
"""


def build(folder: Path) -> Path:
    (folder / "go.mod").write_text(MODULE)
    (folder / "main.go").write_text(PROGRAM)
    for command in (["go", "mod", "tidy"], ["go", "build", "-tags", "sqlite,json1", "-o", "hydra", "."]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "hydra"


class Hydra:
    def __init__(self, program: Path, folder: Path) -> None:
        public, admin = free_port(), free_port()
        self.issuer = f"http://127.0.0.1:{public}"
        self._admin = httpx2.Client(base_url=f"http://127.0.0.1:{admin}", timeout=10.0)
        self.introspection_endpoint = f"http://127.0.0.1:{admin}/admin/oauth2/introspect"
        environment = os.environ | {
            "DSN": f"sqlite://{folder}/hydra.sqlite?_fk=true",
            "SECRETS_SYSTEM": "only for this run, and long enough",
            "URLS_SELF_ISSUER": self.issuer,
            "STRATEGIES_ACCESS_TOKEN": "jwt",
            "SERVE_PUBLIC_HOST": "127.0.0.1",
            "SERVE_PUBLIC_PORT": str(public),
            "SERVE_ADMIN_HOST": "127.0.0.1",
            "SERVE_ADMIN_PORT": str(admin),
            "LOG_LEVEL": "error",
        }
        subprocess.run([program, "migrate", "sql", "-e", "--yes"], env=environment, check=True, capture_output=True)
        self._log = (folder / "log").open("w")
        command = [program, "serve", "all", "--dev"]
        self._process = subprocess.Popen(command, env=environment, stdout=self._log, stderr=self._log)
        wait_for(lambda: self._admin.get("/health/ready").status_code == 200, seconds=60, what="Hydra's start")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def add_client(self, client_id: str, **settings: Any) -> str:
        secret = f"secret-of-{client_id}"
        client = {
            "client_id": client_id,
            "client_secret": secret,
            "grant_types": ["client_credentials"],
            "scope": "orders:read orders:write",
            "audience": ["orders-api"],
        }
        self._admin.post("/admin/clients", json=client | settings).raise_for_status()
        return secret

    def rotate_keys(self, kid: str) -> None:
        key = {"alg": "RS256", "use": "sig", "kid": kid}
        self._admin.post("/admin/keys/hydra.jwt.access-token", json=key).raise_for_status()


def main() -> int:
    checks = Checks("Ory Hydra", VERSION)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = os.environ.get("HYDRA")
        hydra = Hydra(Path(given) if given else build(folder), folder)
        try:
            with roomkey.TokenManager() as manager:
                steps(checks, hydra, manager)
        finally:
            hydra.close()
    return checks.finish()


def steps(checks: Checks, hydra: Hydra, manager: roomkey.TokenManager) -> None:
    def credential(client_id: str, secret: str, **options: Any) -> roomkey.Credential:
        source = roomkey.ClientCredentials(issuer=hydra.issuer, client_id=client_id, client_secret=secret, **options)
        return manager.credential(source)

    secret = hydra.add_client("reports")
    reports = credential("reports", secret, audience="orders-api", scope="orders:read")
    with checks.step("issuer= finds the endpoints; client credentials for an audience"):
        assert reports.token().expires_in > 60
    with checks.step("a client registered for client_secret_post"):
        by_post = hydra.add_client("poster", token_endpoint_auth_method="client_secret_post")
        assert credential("poster", by_post, authentication="client_secret_post").token().value
    with checks.step("a wrong secret: the message names client_secret"):
        try:
            credential("reports", "not the secret").token()
        except roomkey.TokenUnavailable as error:
            assert "client_secret" in str(error) and "not the secret" not in str(error), str(error)
        else:
            raise AssertionError("a token for a wrong secret")
    validator = roomkey.TokenValidator(issuer=hydra.issuer, audience="orders-api", profile="jwt", claims="hydra")
    with checks.step("a token with a scope list in scp"):
        claims = validator.validate(reports.token().value)
        assert claims.client_id == "reports" and "orders:read" in claims.scopes, dict(claims)
    with checks.step("a token without audience= is for nobody"):
        try:
            validator.validate(credential("reports", secret).token().value)
        except roomkey.InvalidToken as error:
            assert "audience" in str(error), str(error)
        else:
            raise AssertionError("accepted")
    with checks.step("two key rotations in a row, each used at once: every token is good"):
        for kid in ("second", "third"):
            hydra.rotate_keys(kid)
            assert validator.validate(reports.refresh().value).client_id == "reports"
    with checks.step("introspection on the admin port"):
        asking = roomkey.TokenValidator(
            issuer=hydra.issuer,
            audience="orders-api",
            profile="jwt",
            introspection=roomkey.Introspection(
                client_id="reports", client_secret=secret, endpoint=hydra.introspection_endpoint, mode="introspect"
            ),
        )
        assert asking.validate(reports.token().value).client_id == "reports"


if __name__ == "__main__":
    sys.exit(main())
