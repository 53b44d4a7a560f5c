"""APIs, and tokens for them, made as the service makes them."""

from typing import Any

from sqlalchemy import insert

from roomkey.authorization_server.accounts import apis, app_tokens, service_accounts
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.api import Scope
from roomkey.authorization_server.accounts.app_tokens import NewAppToken
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.clients.directory import read_api
from roomkey.authorization_server.schema.audit import counters
from roomkey.authorization_server.schema.tokens import access_tokens
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.grant import Grant
from roomkey.authorization_server.tokens.ledger import keep, revoke_account
from roomkey.authorization_server.tokens.minting import JTI_LETTERS, Minted, mint

CONSOLE = Actor.console()


def add_api(service: Service, audience: str = "orders-api", **named: Any) -> apis.NewApi:
    """An API, and an account that may ask for tokens for it: ``orders-api-client``."""
    with service.work(CONSOLE) as work:
        made = apis.create(work, audience=audience, scopes=[Scope("orders:read")], **named)
        access = [Access(audience, ("orders:read",))]
        service_accounts.create(work, client_id=f"{audience}-client", apis=access)
    return made


def issue(service: Service, audience: str = "orders-api", *, lifetime: int = 300) -> Minted:
    """An access token for the API."""
    grant = Grant(client_id=f"{audience}-client", audience=audience, scope=("orders:read",))
    with service.work(CONSOLE) as work:
        api = read_api(work, audience)
        assert api is not None
        minted = mint(grant, issuer=service.settings.issuer, now=work.now, lifetime=lifetime, signer=api.signer)
        keep(work.connection, minted)
    return minted


def issue_app_token(
    service: Service, audience: str = "orders-api", *, lifetime: int = 86400, token_format: str | None = None
) -> NewAppToken:
    """An app token for the API."""
    with service.work(CONSOLE) as work:
        return app_tokens.create(
            work,
            client_id=f"{audience}-client",
            audience=audience,
            scopes=["orders:read"],
            lifetime=lifetime,
            token_format=token_format,
        )


def skip_statuses(service: Service, number: int) -> None:
    """As if ``number`` app tokens had been made before."""
    with service.work(CONSOLE) as work:
        work.connection.execute(insert(counters).values(name="status_index", value=number))


def revoked_tokens(service: Service, number: int, *, first: int = 0) -> None:
    """So many revoked access tokens of one account."""
    with service.work(CONSOLE) as work:
        rows = [
            {
                "digest": index.to_bytes(32),
                "jti": f"{index:0{JTI_LETTERS}d}",
                "client_id": "crowd",
                "audience": "orders-api",
                "scope": "",
                "issued_at": work.now,
                "expires_at": work.now + 300,
            }
            for index in range(first, first + number)
        ]
        work.connection.execute(insert(access_tokens), rows)
        revoke_account(work, "crowd", reason="test")
