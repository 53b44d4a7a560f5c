"""The auth service as `roomkey serve` runs it, with a million tokens in its database and an empty endpoint beside it.

`auth_service_server.py FOLDER TOKENS` prints a line of JSON that says where it is and whom it knows, and ends with its
stdin.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import threading
from pathlib import Path

from sqlalchemy import insert
from starlette.responses import Response
from starlette.routing import Route

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import CreateApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.service_accounts.commands import CreateServiceAccount
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.app import create_app
from roomkey.authorization_server.schema.tokens import access_tokens
from roomkey.authorization_server.server.server import bind_socket, run, with_bound_port
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.tokens.issue import TokenGrant, create_access_token
from roomkey.authorization_server.tokens.issued_tokens import record_tokens

KNOWN = 20_000  # tokens that are asked about, spread among the others
BATCH = 20_000
LIFETIME = 3600
GRANT = TokenGrant(client_id="reports", audience="orders-api", scope=("orders:read",))


async def empty(_: object) -> Response:
    return Response()


def fill(service: Service, count: int) -> list[str]:
    """Put `count` tokens into the ledger, and return those whose bytes are known."""
    known = []
    with service.look(Actor.console()) as uow:
        signer = service.keys.load(uow).signing["ES256"]
    every = max(2, count // KNOWN)
    for start in range(0, count, BATCH):
        with service.unit_of_work(Actor.console()) as uow:
            now = uow.now
            for _ in range(BATCH // every):
                minted = create_access_token(
                    GRANT, issuer=service.settings.issuer, now=now, lifetime=LIFETIME, signer=signer
                )
                record_tokens(uow.connection, minted)
                known.append(minted.value)
            # The others: issued in the last hour, in the order of their issue.
            row = {"client_id": "reports", "audience": "orders-api", "scope": "orders:read", "roles": ""}
            issued = [now - LIFETIME + (start + number) * LIFETIME // count for number in range(BATCH - BATCH // every)]
            uow.connection.execute(
                insert(access_tokens),
                [
                    row
                    | {
                        "digest": at.to_bytes(5) + secrets.token_bytes(27),
                        "jti": secrets.token_urlsafe(16),
                        "issued_at": at,
                        "expires_at": at + LIFETIME + 600,
                    }
                    for at in issued
                ],
            )
    return known


def main() -> None:
    folder, tokens = Path(sys.argv[1]), int(sys.argv[2])
    settings = Settings.at(folder, host="127.0.0.1", port=0, access_log=False)
    with bind_socket(settings) as taken:
        settings = with_bound_port(settings, taken)
        with Service.open(settings) as service:
            with service.unit_of_work(Actor.console()) as uow:
                api = CreateApi(audience="orders-api", scopes=[Scope("orders:read")])(uow)
                access = [Access("orders-api", ("orders:read",), ("orders:read",))]
                reports = CreateServiceAccount(client_id="reports", apis=access)(uow)
            known = fill(service, tokens)
            (folder / "known.json").write_text(json.dumps(known))
            started = {
                "issuer": settings.issuer,
                "api": [api.api.client_id, api.client_secret.value],
                "app": ["reports", reports.client_secret.value],
            }
            app = create_app(service)
            app.router.routes.insert(0, Route("/empty", empty, methods=["GET", "POST"]))

            def until_the_end() -> None:
                sys.stdin.read()
                os.kill(os.getpid(), signal.SIGTERM)

            threading.Thread(target=until_the_end, daemon=True).start()
            run(settings, app, taken, ready=lambda: print(json.dumps(started), flush=True))


if __name__ == "__main__":
    main()
