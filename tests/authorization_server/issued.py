"""APIs, and tokens for them, in the database of a service."""

import secrets

from sqlalchemy import insert

from roomkey.authorization_server import opaque
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.keys.signer import signer
from roomkey.authorization_server.lists.status_list import status_claim
from roomkey.authorization_server.schema.accounts import account_secrets, apis, service_accounts
from roomkey.authorization_server.schema.tokens import app_tokens
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.grant import Grant
from roomkey.authorization_server.tokens.ledger import keep
from roomkey.authorization_server.tokens.minting import Minted, mint

CONSOLE = Actor.console()


def add_api(service: Service, audience: str = "orders-api", *, algorithm: str = "ES256", lifetime: int = 300) -> str:
    """An API with an account of its own, ``{audience}-account``; returns the secret of that account."""
    client_id, secret = f"{audience}-account", opaque.new(opaque.Kind.CLIENT_SECRET)
    with service.work(CONSOLE) as work:
        work.connection.execute(
            insert(service_accounts).values(
                client_id=client_id, kind="api", authentication="client_secret_basic", created_at=work.now
            )
        )
        work.connection.execute(
            insert(account_secrets).values(
                digest=secret.digest, client_id=client_id, hint=secret.hint, created_at=work.now
            )
        )
        work.connection.execute(
            insert(apis).values(
                audience=audience,
                client_id=client_id,
                token_lifetime=lifetime,
                longest_app_token=86400,
                token_format="jwt",
                algorithm=algorithm,
                created_at=work.now,
            )
        )
        if algorithm != "HS256":
            service.keys.ensure(work, algorithm)
        work.changed()
    return secret.value


def issue(service: Service, audience: str = "orders-api", *, lifetime: int = 300, algorithm: str = "ES256") -> Minted:
    """An access token for the API, as the token endpoint makes it."""
    grant = Grant(client_id="reports", audience=audience, scope=("orders:read",))
    with service.work(CONSOLE) as work:
        api = work.connection.execute(apis.select().where(apis.c.audience == audience)).one()
        signs = signer(
            service.keys.load(work),
            work.sealed,
            audience=audience,
            token_format="jwt",
            algorithm=api.algorithm,
            shared_secret=api.shared_secret,
        )
        minted = mint(grant, issuer=service.settings.issuer, now=work.now, lifetime=lifetime, signer=signs)
        keep(work.connection, minted)
    return minted


def issue_app_token(
    service: Service, index: int, audience: str = "orders-api", *, lifetime: int = 86400, token_format: str = "jwt"
) -> Minted:
    """An app token with the place ``index`` in the status list."""
    grant = Grant(client_id=f"{audience}-account", audience=audience, scope=("orders:read",))
    with service.work(CONSOLE) as work:
        minted = mint(
            grant,
            issuer=service.settings.issuer,
            now=work.now,
            lifetime=lifetime,
            signer=service.keys.load(work).signing["ES256"] if token_format == "jwt" else None,
            status=status_claim(service.settings, index),
        )
        keep(work.connection, minted)
        work.connection.execute(
            insert(app_tokens).values(
                id=f"tok_{secrets.token_hex(4)}",
                digest=minted.digest,
                status_index=index,
                client_id=grant.client_id,
                audience=audience,
                scope="orders:read",
                token_format=token_format,
                hint=minted.hint,
                created_by="console",
                created_at=work.now,
                expires_at=minted.expires_at,
                exp=minted.expires_at,
            )
        )
    return minted
