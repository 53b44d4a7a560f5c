"""The auth service as foreign clients meet it: a process, with an API for each algorithm and an app for each method."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
from joserfc.jwk import ECKey, KeySet
from tests.authorization_server.backoffice.browser import Browser
from tests.authorization_server.flows.processes import AuthService, auth_service
from tests.authorization_server.oauth_service import PASSWORD, Login, OAuthService

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings

BACK: Final = "https://app.example/cb"
SIGNED: Final = {"orders-api": "ES256", "rooms-api": "RS256", "bills-api": "EdDSA"}
"""What signs the tokens of each API."""
SCOPES: Final = {"orders-api": "orders:read", "rooms-api": "rooms:read", "bills-api": "bills:read"}


@dataclass(frozen=True)
class InteropService:
    """A running service and who is registered there.

    Attributes:
        api: the account of ``orders-api``.
        by_basic, by_post: apps that prove themselves by a secret, in the header or in the form.
        by_key: an app that proves itself by ``key``.
        phone: a public app that gets codes at ``BACK``; ``site``: one that has a secret.
    """

    service: AuthService
    api: Login
    by_basic: Login
    by_post: Login
    by_key: Login
    key: ECKey
    phone: Login
    site: Login

    @property
    def issuer(self) -> str:
        """Where it is."""
        return self.service.issuer

    def at(self, name: str) -> str:
        """The address of one of its endpoints."""
        return f"{self.issuer}/oauth2/{name}"

    def token(self, audience: str) -> str:
        """A token of ``by-basic`` for an API."""
        form = {"grant_type": "client_credentials", "resource": audience, "scope": SCOPES[audience]}
        answer = httpx2.post(self.at("token"), data=form, headers=self.by_basic.basic)
        token: str = answer.raise_for_status().json()["access_token"]
        return token

    def rotate(self, algorithm: str) -> None:
        """Let another key sign with ``algorithm``; waits where one has just begun to, for that counts as one."""
        listed = self.service.admin("keys", "list")["keys"]
        signing = next(key["kid"] for key in listed if (key["algorithm"], key["state"]) == (algorithm, "signing"))
        while self.service.admin("keys", "rotate", "--algorithm", algorithm, "--now")["kid"] == signing:
            time.sleep(1.0)

    def introspected(self, token: str) -> dict[str, Any]:
        """The introspection response to ``orders-api`` for ``token``."""
        answer = httpx2.post(self.at("introspect"), data={"token": token}, headers=self.api.basic)
        members: dict[str, Any] = answer.raise_for_status().json()
        return members

    def allowed(self, address: str) -> str:
        """Where alice's browser is sent when she has followed ``address``, signed in, and allowed what is asked."""
        with Browser(issuer=self.issuer) as browser:
            browser.get(address)
            browser.follow()
            browser.submit("/sign-in", username="alice", password=PASSWORD)
            page = browser.follow()
            assert "orders:read" in page.text
            path = address.removeprefix(self.issuer)
            browser.submit(path, decision="allow")
            sent: str = browser.page.headers["location"]
            return sent


@contextmanager
def interop_service(data: Path) -> Iterator[InteropService]:
    """``roomkey serve``, and what an administrator has made in it."""
    with auth_service(data) as running:
        key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"}, private=True)
        with Service.open(Settings.at(data, issuer=running.issuer)) as service, OAuthService(service) as oauth:
            registered = _registered(oauth, key)
        yield InteropService(running, **registered, key=key)


def _registered(oauth: OAuthService, key: ECKey) -> dict[str, Login]:
    api = oauth.add_api("orders-api", "orders:read", "orders:write")
    others = [Access(audience, (scope,)) for audience, scope in SCOPES.items() if audience != "orders-api"]
    for one in others:
        oauth.add_api(one.audience, *one.scopes, algorithm=SIGNED[one.audience])
    everything = [Access("orders-api", ("orders:read", "orders:write"), ("orders:read",)), *others]
    codes: dict[str, Any] = {"grants": ("authorization_code", "refresh_token"), "redirect_uris": [BACK]}
    public = KeySet([key]).as_dict(private=False)
    oauth.add_user()
    return {
        "api": api,
        "by_basic": oauth.add_app("by-basic", apis=everything),
        "by_post": oauth.add_account("by-post", authentication="client_secret_post"),
        "by_key": oauth.add_account("by-key", authentication="private_key_jwt", jwks=json.dumps(public)),
        "phone": oauth.add_account("phone", authentication="none", **codes),
        "site": oauth.add_account("site", **codes),
    }
