"""glewlwyd 2.7.5 of Debian 12 as an issuer: discovery under a path, both grants, rejected refreshes.

Needs the package ``glewlwyd``; its server runs on a configuration and a database of its own in a temporary folder.
"""

import gzip
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx2
from checks import Checks, free_port, wait_for
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import roomkey

VERSION = "2.7.5"
PASSWORD = "correct horse"
SCHEMA = Path("/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz")

CONFIGURATION = """
port = {port}
bind_address = "127.0.0.1"
external_url = "{url}"
login_url = "login.html"
api_prefix = "api"
log_mode = "console"
log_level = "ERROR"
session_key = "GLEWLWYD2_SESSION_ID"
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "/usr/lib/glewlwyd/user"
client_module_path = "/usr/lib/glewlwyd/client"
user_auth_scheme_module_path = "/usr/lib/glewlwyd/scheme"
plugin_module_path = "/usr/lib/glewlwyd/plugin"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3"; path = "{database}"; }};
"""


class Glewlwyd:
    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.issuer = f"{self.url}/api/oidc"
        self._database = folder / "glewlwyd.sqlite"
        with sqlite3.connect(self._database) as database:
            database.executescript(gzip.decompress(SCHEMA.read_bytes()).decode())
        configuration = folder / "glewlwyd.conf"
        configuration.write_text(CONFIGURATION.format(port=port, url=self.url, database=self._database))
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            ["glewlwyd", f"--config-file={configuration}"], stdout=self._log, stderr=self._log
        )
        self._admin = httpx2.Client(base_url=f"{self.url}/api", timeout=10.0)
        wait_for(lambda: bool(self._admin.get("/scope")), seconds=30, what="glewlwyd's start")
        self._configure()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._log.close()

    def end_refresh_tokens(self) -> None:
        with sqlite3.connect(self._database, timeout=10.0) as database:
            database.execute("UPDATE gpo_refresh_token SET gpor_enabled = 0")

    def _post(self, path: str, body: dict[str, Any]) -> None:
        response = self._admin.post(path, json=body)
        assert response.status_code == 200, f"{path}: {response.status_code} {response.text}"

    def _configure(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._post("/auth", {"username": "admin", "password": "password"})
        scope = {"name": "orders", "display_name": "Orders", "description": "Orders", "password_required": True}
        self._post("/scope", scope | {"password_max_age": 0, "scheme": {}, "scheme_required": {}})
        grants = {
            f"auth-type-{name}-enabled": name in ("id-token", "password", "client", "refresh")
            for name in ("code", "token", "id-token", "none", "password", "client", "device", "refresh")
        }
        parameters: dict[str, Any] = grants | {
            "iss": self.issuer,
            "jwt-type": "rsa",
            "jwt-key-size": "256",
            "key": private.decode(),
            "cert": public.decode(),
            "access-token-duration": 3600,
            "refresh-token-duration": 86400,
            "code-duration": 600,
            "refresh-token-rolling": True,
            "allow-non-oidc": True,
            "jwks-show": True,
            "allowed-scope": ["orders", "openid"],
            "subject-type": "public",
        }
        for list_of in ("scope", "additional-parameters", "claims", "jwks-x5c", "introspection-revocation-auth-scope"):
            parameters[list_of] = []
        plugin = {"module": "oidc", "name": "oidc", "display_name": "OIDC", "parameters": parameters}
        self._post("/mod/plugin/", plugin)
        self._post(
            "/user/", {"username": "alice", "password": PASSWORD, "name": "Alice", "enabled": True, "scope": ["orders"]}
        )
        for client_id, allowed in (("reports", ["client_credentials"]), ("desktop", ["password", "refresh_token"])):
            client = {"client_id": client_id, "client_secret": f"secret-of-{client_id}", "name": client_id}
            client |= {"confidential": True, "enabled": True, "scope": ["orders"], "authorization_type": allowed}
            self._post("/client/", client | {"token_endpoint_auth_method": ["client_secret_basic"]})


def main() -> int:
    checks = Checks("glewlwyd", VERSION)
    with tempfile.TemporaryDirectory() as name:
        glewlwyd = Glewlwyd(Path(name))
        try:
            with roomkey.TokenManager() as manager:
                steps(checks, glewlwyd, manager)
        finally:
            glewlwyd.close()
    return checks.finish()


def steps(checks: Checks, glewlwyd: Glewlwyd, manager: roomkey.TokenManager) -> None:
    def options(client_id: str) -> dict[str, Any]:
        secret = f"secret-of-{client_id}"
        return {"issuer": glewlwyd.issuer, "client_id": client_id, "client_secret": secret, "scope": "orders"}

    reports = manager.credential(roomkey.ClientCredentials(**options("reports")))
    with checks.step("issuer= finds the endpoints; client credentials"):
        assert reports.token().expires_in > 60
    alice = manager.credential(roomkey.Password(**options("desktop"), username="alice", password=PASSWORD))
    with checks.step("a password sign-in, and a refresh with its refresh token"):
        first = alice.token()
        assert alice.refresh().value != first.value
    with checks.step("a rejected refresh (403 without a body) leads to a new sign-in"):
        glewlwyd.end_refresh_tokens()
        assert alice.refresh().value
    with checks.step("a token, for its scope as the audience"):
        validator = roomkey.TokenValidator(issuer=glewlwyd.issuer, audience="orders")
        assert validator.validate(reports.token().value).client_id == "reports"


if __name__ == "__main__":
    sys.exit(main())
