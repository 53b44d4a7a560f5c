"""APIs, and tokens for them, made as the service makes them."""

import base64
import json
from typing import Any

from sqlalchemy import insert

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import CreateApi, CreatedApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.app_tokens.commands import CreateAppToken, CreatedAppToken
from roomkey.authorization_server.accounts.service_accounts.commands import CreateServiceAccount
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.clients.client_cache import read_api
from roomkey.authorization_server.schema.audit import counters
from roomkey.authorization_server.schema.tokens import access_tokens
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.issue import JTI_LENGTH, NewAccessToken, TokenGrant, create_access_token
from roomkey.authorization_server.tokens.issued_tokens import record_tokens
from roomkey.authorization_server.tokens.revocation import revoke_account

CONSOLE = Actor.console()


def add_api(service: Service, audience: str = "orders-api", **named: Any) -> CreatedApi:
    """An API, and an account that may ask for tokens for it: ``orders-api-client``."""
    with service.unit_of_work(CONSOLE) as uow:
        made = CreateApi(audience=audience, scopes=[Scope("orders:read")], **named)(uow)
        access = [Access(audience, ("orders:read",))]
        CreateServiceAccount(client_id=f"{audience}-client", apis=access)(uow)
    return made


def issue(service: Service, audience: str = "orders-api", *, lifetime: int = 300) -> NewAccessToken:
    """An access token for the API."""
    grant = TokenGrant(client_id=f"{audience}-client", audience=audience, scope=("orders:read",))
    with service.unit_of_work(CONSOLE) as uow:
        api = read_api(uow, service.keys.load(uow), audience)
        assert api is not None
        minted = create_access_token(
            grant, issuer=service.settings.issuer, now=uow.now, lifetime=lifetime, signer=api.signer
        )
        record_tokens(uow.connection, minted)
    return minted


def issue_app_token(
    service: Service, audience: str = "orders-api", *, lifetime: int = 86400, token_format: str | None = None
) -> CreatedAppToken:
    """An app token for the API."""
    with service.unit_of_work(CONSOLE) as uow:
        return CreateAppToken(
            client_id=f"{audience}-client",
            audience=audience,
            scopes=["orders:read"],
            lifetime=lifetime,
            token_format=token_format,
        )(uow)


def skip_statuses(service: Service, number: int) -> None:
    """As if ``number`` app tokens had been made before."""
    with service.unit_of_work(CONSOLE) as uow:
        uow.connection.execute(insert(counters).values(name="status_index", value=number))


def insert_revoked_tokens(service: Service, number: int, *, first: int = 0) -> None:
    """So many revoked access tokens of one account."""
    with service.unit_of_work(CONSOLE) as uow:
        rows = [
            {
                "digest": index.to_bytes(32),
                "jti": f"{index:0{JTI_LENGTH}d}",
                "client_id": "crowd",
                "audience": "orders-api",
                "scope": "",
                "issued_at": uow.now,
                "expires_at": uow.now + 300,
            }
            for index in range(first, first + number)
        ]
        uow.connection.execute(insert(access_tokens), rows)
        revoke_account(uow, "crowd", reason="test")


def jti_of(made: CreatedAppToken) -> str:
    """The ``jti`` of an app token, a JWT."""
    return str(payload_of(made)["jti"])


def payload_of(made: CreatedAppToken) -> dict[str, Any]:
    """The claims of an app token, a JWT, without verifying it."""
    payload = made.token.reveal().split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
