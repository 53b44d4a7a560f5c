"""LemonLDAP::NG 2.16 of Debian 12 as the issuer of a client and of an API: both grants, refreshes, its tokens.

``real_servers/run lemonldap`` installs the packages. The portal runs under Starman, in a temporary folder, with its
demonstration users; its issuer ends in a slash.
A refresh token that has ended is answered ``invalid_request``.
"""

import json
import os
import shutil
import signal
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

VERSION = "2.16.1"
SHIPPED = Path("/var/lib/lemonldap-ng/conf/lmConf-1.json")

INI = """[all]
localSessionStorage = Cache::FileCache
logLevel = error
[configuration]
type = File
dirName = {folder}/conf
localStorage = Cache::FileCache
localStorageOptions = {{'namespace'=>'config','directory_umask'=>'007','cache_root'=>'{folder}/cache'}}
[portal]
staticPrefix = /static
templateDir = /usr/share/lemonldap-ng/portal/templates
"""
PORTAL = "use Lemonldap::NG::Portal; Lemonldap::NG::Portal->run({})"


class LemonLDAP:
    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.issuer = f"http://127.0.0.1:{port}/"
        self._sessions = folder / "sessions"
        for name in ("conf", "cache", "sessions/lock", "kept/lock"):
            (folder / name).mkdir(parents=True)
        (folder / "conf/lmConf-1.json").write_text(json.dumps(json.loads(SHIPPED.read_text()) | self._settings(folder)))
        (folder / "lemonldap-ng.ini").write_text(INI.format(folder=folder))
        self._log = (folder / "log").open("w")
        listen = ["--host", "127.0.0.1", "--port", str(port)]
        self._process = subprocess.Popen(
            ["plackup", "-s", "Starman", "--workers", "2", *listen, "-e", PORTAL],
            env=os.environ | {"LLNG_DEFAULTCONFFILE": str(folder / "lemonldap-ng.ini")},
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        metadata = f"{self.issuer}.well-known/openid-configuration"
        wait_for(lambda: httpx2.get(metadata).status_code == 200, seconds=60, what="the portal's start")

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(20)
        self._log.close()

    def end_sessions(self) -> None:
        """Every session and refresh token is gone; both are files of one folder."""
        for session in self._sessions.iterdir():
            if session.is_file():
                session.unlink()
        shutil.rmtree(self._sessions.parent / "cache")
        (self._sessions.parent / "cache").mkdir()

    def _settings(self, folder: Path) -> dict[str, Any]:
        key = rsa.generate_private_key(65537, 2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        option = "oidcRPMetaDataOptions"
        client = {
            f"{option}ClientID": "reports",
            f"{option}ClientSecret": "secret-of-reports",
            f"{option}IDTokenSignAlg": "RS256",
            f"{option}AccessTokenSignAlg": "RS256",
        }
        allowed = (
            "AllowClientCredentialsGrant",
            "AllowPasswordGrant",
            "AllowOffline",
            "RefreshToken",
            "AccessTokenJWT",
        )
        client_settings: dict[str, Any] = client | {f"{option}{name}": 1 for name in allowed}

        def files(name: str) -> dict[str, str]:
            return {"Directory": f"{folder}/{name}", "LockDirectory": f"{folder}/{name}/lock"}

        return {
            "portal": self.issuer,
            "domain": "127.0.0.1",
            "notification": 0,
            "issuerDBOpenIDConnectActivation": 1,
            "oidcServicePrivateKeySig": private.decode(),
            "oidcServicePublicKeySig": public.decode(),
            "oidcServiceKeyIdSig": "first",
            "globalStorageOptions": files("sessions")
            | {"generateModule": "Lemonldap::NG::Common::Apache::Session::Generate::SHA256"},
            "persistentStorageOptions": files("kept"),
            "localSessionStorageOptions": {"cache_root": f"{folder}/cache", "namespace": "sessions", "cache_depth": 3},
            "oidcRPMetaDataOptions": {"reports": client_settings},
            "oidcRPMetaDataExportedVars": {"reports": {"name": "cn"}},
        }


def main() -> int:
    checks = Checks("LemonLDAP::NG", VERSION)
    with tempfile.TemporaryDirectory() as name:
        lemonldap = LemonLDAP(Path(name))
        try:
            with roomkey.TokenManager() as manager:
                steps(checks, lemonldap, manager)
        finally:
            lemonldap.close()
    return checks.finish()


def steps(checks: Checks, lemonldap: LemonLDAP, manager: roomkey.TokenManager) -> None:
    options = {"issuer": lemonldap.issuer, "client_id": "reports", "client_secret": "secret-of-reports"}
    reports = manager.credential(roomkey.ClientCredentials(**options, scope="orders"))
    with checks.step("issuer= finds the endpoints; client credentials"):
        assert reports.token().expires_in > 60
    user = {"username": "dwho", "password": "dwho", "scope": "openid offline_access"}
    dwho = manager.credential(roomkey.Password(**options, **user))
    with checks.step("a password sign-in, and a refresh with its refresh token"):
        first = dwho.token()
        assert dwho.refresh().value != first.value
    with checks.step("a rejected refresh (invalid_request) leads to a new sign-in"):
        lemonldap.end_sessions()
        assert dwho.refresh().value
    with checks.step("a token, for the client itself as the audience"):
        validator = roomkey.TokenValidator(issuer=lemonldap.issuer, audience="reports", profile="jwt")
        assert validator.validate(reports.token().value).client_id == "reports"


if __name__ == "__main__":
    sys.exit(main())
