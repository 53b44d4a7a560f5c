"""Keycloak 26.7.3 as an issuer: discovery, both grants, rotations, both headers, lightweight tokens.

``real_servers/run keycloak`` installs what this needs. It takes a minute, 1 GB of memory and loopback alone.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
from checks import Checks, free_port, unpack_maven, wait_for

import roomkey

VERSION = "26.7.3"
PASSWORD = "correct horse"
CONFIDENTIAL = {"publicClient": False, "serviceAccountsEnabled": True, "directAccessGrantsEnabled": True}


class Keycloak:
    """A development server in a folder of its own, with one realm, and what is needed of its admin API."""

    def __init__(self, folder: Path) -> None:
        home = unpack_maven(f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip", folder) / f"keycloak-{VERSION}"
        self.url = f"http://127.0.0.1:{free_port()}"
        self._admin = httpx2.Client(base_url=self.url, timeout=30.0)
        environment = os.environ | {
            "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD,
            "JAVA_OPTS_APPEND": "-Xmx700m",
        }
        command = [
            "sh",
            f"{home}/bin/kc.sh",
            "start-dev",
            "--http-host=127.0.0.1",
            f"--http-port={self.url.rsplit(':', 1)[1]}",
        ]
        self._log = (folder / "keycloak.log").open("w")
        self._process = subprocess.Popen(command, env=environment, stdout=self._log, stderr=subprocess.STDOUT)
        wait_for(lambda: self._admin.get("/realms/master").status_code == 200, seconds=180, what="Keycloak's start")
        self.call("POST", "/admin/realms", {"realm": "shop", "enabled": True, "accessTokenLifespan": 300})
        self.issuer = f"{self.url}/realms/shop"

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the admin API; each with a token of its own, since they live a minute."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": PASSWORD}
        token = self._admin.post("/realms/master/protocol/openid-connect/token", data=form).json()["access_token"]
        response = self._admin.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
        response.raise_for_status()
        return response.json() if response.content else None

    def realm(self, method: str, path: str, body: Any = None) -> Any:
        return self.call(method, f"/admin/realms/shop{path}", body)

    def add_client(self, client_id: str, **settings: Any) -> str:
        """A confidential client whose tokens are for ``orders-api``; the answer is its secret."""
        attributes = settings.pop("attributes", {})
        mapper = {
            "name": "orders-api",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {
                "included.custom.audience": "orders-api",
                "access.token.claim": "true",
                "introspection.token.claim": "true",
            },
        }
        secret = f"secret-of-{client_id}"
        self.realm(
            "POST",
            "/clients",
            CONFIDENTIAL
            | {"clientId": client_id, "secret": secret, "attributes": attributes, "protocolMappers": [mapper]}
            | settings,
        )
        return secret

    def add_user(self, name: str) -> str:
        credentials = [{"type": "password", "value": PASSWORD, "temporary": False}]
        profile = {"firstName": name, "lastName": "Example", "email": f"{name}@shop.example", "emailVerified": True}
        self.realm("POST", "/users", {"username": name, "enabled": True, "credentials": credentials} | profile)
        return str(self.realm("GET", f"/users?username={name}")[0]["id"])

    def rotate_keys(self, priority: int) -> None:
        """A new RS256 key that signs from now on; the old ones stay in the set."""
        config = {
            "priority": [str(priority)],
            "keySize": ["2048"],
            "algorithm": ["RS256"],
            "active": ["true"],
            "enabled": ["true"],
        }
        parent = self.realm("GET", "")["id"]
        self.realm(
            "POST",
            "/components",
            {
                "name": f"rsa-{priority}",
                "providerId": "rsa-generated",
                "providerType": "org.keycloak.keys.KeyProvider",
                "parentId": parent,
                "config": config,
            },
        )


def main() -> int:
    checks = Checks("Keycloak", VERSION)
    with tempfile.TemporaryDirectory() as folder:
        keycloak = Keycloak(Path(folder))
        try:
            with roomkey.TokenManager() as manager:
                client_side(checks, keycloak, manager)
                api_side(checks, keycloak, manager)
        finally:
            keycloak.close()
    return checks.finish()


def client_side(checks: Checks, keycloak: Keycloak, manager: roomkey.TokenManager) -> None:
    secret = keycloak.add_client("reports")
    user = keycloak.add_user("alice")
    with checks.step("issuer= finds the endpoints; client credentials"):
        source = roomkey.ClientCredentials(issuer=keycloak.issuer, client_id="reports", client_secret=secret)
        assert manager.credential(source).token().expires_in > 200
    alice = manager.credential(
        roomkey.Password(
            issuer=keycloak.issuer, client_id="reports", client_secret=secret, username="alice", password=PASSWORD
        )
    )
    with checks.step("a password sign-in, and a refresh with its refresh token"):
        first = alice.token()
        assert alice.refresh().value != first.value
    with checks.step("a rejected refresh (the session was ended) leads to a new sign-in"):
        keycloak.realm("POST", f"/users/{user}/logout")
        assert alice.refresh().value
    with checks.step("a wrong secret: the message names client_secret"):
        wrong = roomkey.ClientCredentials(issuer=keycloak.issuer, client_id="reports", client_secret="wrong")
        try:
            manager.credential(wrong).token()
        except roomkey.TokenUnavailable as error:
            assert "client_secret" in str(error) and "wrong" not in str(error).replace("is wrong", ""), str(error)
        else:
            raise AssertionError("a token for a wrong secret")
    with checks.step("a password lockout is over within 60 s of its end"):
        lockout(keycloak, manager, secret)


def lockout(keycloak: Keycloak, manager: roomkey.TokenManager, secret: str) -> None:
    keycloak.add_user("bob")
    keycloak.realm(
        "PUT",
        "",
        keycloak.realm("GET", "") | {"bruteForceProtected": True, "failureFactor": 2, "waitIncrementSeconds": 900},
    )

    def bob(password: str) -> roomkey.Credential:
        return manager.credential(
            roomkey.Password(
                issuer=keycloak.issuer, client_id="reports", client_secret=secret, username="bob", password=password
            )
        )

    def fails(credential: roomkey.Credential) -> bool:
        try:
            credential.refresh()
        except roomkey.TokenUnavailable:
            return True
        return False

    for _ in range(4):
        assert fails(bob("not the password"))
    right = bob(PASSWORD)
    assert fails(right), "Keycloak did not lock the user out"
    keycloak.realm("DELETE", "/attack-detection/brute-force/users")
    began = time.monotonic()

    def has_token() -> bool:
        try:
            return bool(right.token().value)
        except roomkey.TokenUnavailable:
            return False

    wait_for(has_token, seconds=60, what="the end of the lockout")
    print(f"    a token {time.monotonic() - began:.0f} s after the lockout's end")


def api_side(checks: Checks, keycloak: Keycloak, manager: roomkey.TokenManager) -> None:
    def credential(client_id: str, secret: str, **options: Any) -> roomkey.Credential:
        source = roomkey.ClientCredentials(issuer=keycloak.issuer, client_id=client_id, client_secret=secret, **options)
        return manager.credential(source)

    validator = roomkey.TokenValidator(issuer=keycloak.issuer, audience="orders-api", profile="jwt", claims="keycloak")
    plain = credential("plain", keycloak.add_client("plain"))
    with checks.step("a token with the header JWT"):
        assert validator.validate(plain.token().value).client_id == "plain"
    at_jwt = credential(
        "standard",
        keycloak.add_client("standard", attributes={"access.token.header.type.rfc9068": "true"}),
    )
    with checks.step("a token with the header at+jwt"):
        strict = roomkey.TokenValidator(issuer=keycloak.issuer, audience="orders-api")
        assert strict.validate(at_jwt.token().value).client_id == "standard"
    with checks.step("two key rotations in a row, each used at once: every token is good"):
        for priority in (200, 300):
            keycloak.rotate_keys(priority)
            assert validator.validate(plain.refresh().value).client_id == "plain"
    light = credential(
        "light", keycloak.add_client("light", attributes={"client.use.lightweight.access.token.enabled": "true"})
    )
    keycloak.add_client("orders-api")
    with checks.step("a lightweight token with introspection beside its signature"):
        both = roomkey.TokenValidator(
            issuer=keycloak.issuer,
            audience="orders-api",
            profile="jwt",
            claims="keycloak",
            introspection=roomkey.Introspection(
                client_id="orders-api", client_secret="secret-of-orders-api", mode="both"
            ),
        )
        assert both.validate(light.token().value).subject


if __name__ == "__main__":
    sys.exit(main())
