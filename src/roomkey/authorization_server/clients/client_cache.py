"""The accounts that requests name, remembered until anything changes: one look-up in memory, or one reading."""

import functools
import json
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, select

from roomkey.authorization_server.accounts.syntax import is_name
from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.clients.client import Access, Api, Client, ClientAuthPolicy, KnownSecret
from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.keys.signer import signer
from roomkey.authorization_server.schema.accounts import (
    account_apis,
    account_secrets,
    api_scopes,
    apis,
    service_accounts,
)
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.issued_tokens import hold_sweeps
from roomkey.authorization_server.unit_of_work import UnitOfWork, changes
from roomkey.errors import ConfigurationError
from roomkey.jose.jwks.key_set import KeySet

_MOST: Final = 20_000


class StaleConfig(ServiceError):
    """What is remembered is no longer true; whoever meets this asks again."""

    code = "outdated"
    status = 503


class Directory:
    """Accounts by client_id. For one event loop.

    What is remembered is good for one mark of changes: every transaction that acts on it compares that mark
    first (``check``), so that a disabled account is refused at once, whichever process disabled it.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._clients: dict[str, Client] = {}
        self._generation = -1

    def remembered(self, client_id: str) -> Client | None:
        """The account, where it is remembered. No I/O."""
        return self._clients.get(client_id)

    async def is_current(self, client: Client) -> bool:
        """Whether nothing has changed since ``client`` was read."""
        return await self._service.database.read(lambda connection: changes(connection) == client.generation)

    async def proof(self, client_id: str) -> ClientAuthPolicy | None:
        """How the account must prove itself, in one reading whether there is one or not; None where there is none."""
        return await self._service.database.read(lambda connection: _proof(connection, client_id))

    async def read(self, client_id: str) -> Client | None:
        """The account as the database has it now, to be remembered; None where there is none, or it is disabled."""

        def look(uow: UnitOfWork) -> tuple[Client | None, int]:
            generation = changes(uow.connection)
            return _client(uow, client_id, generation), generation

        client, generation = await self._service.view(SERVICE, look)
        if generation != self._generation or len(self._clients) >= _MOST:
            self._clients.clear()
            self._generation = generation
        if client is not None:
            self._clients[client_id] = client
        return client


def check(connection: Connection, generation: int, *, issues: bool = True) -> None:
    """Raise Outdated unless ``generation`` is still the mark of the latest change.

    Where the transaction ``issues`` tokens, nobody can end all those of an account or a person before it is over.
    """
    (outdated,) = check_each(connection, [generation], issues=issues)
    if outdated is not None:
        raise outdated


def check_each(connection: Connection, generations: Iterable[int], *, issues: bool = True) -> list[StaleConfig | None]:
    """As ``check`` for each of ``generations``: None, or what it raises."""
    if issues:
        hold_sweeps(connection)
    newest = changes(connection)
    return [None if one == newest else StaleConfig("The accounts have changed.") for one in generations]


def _proof(connection: Connection, client_id: str) -> ClientAuthPolicy | None:
    client_id = client_id if is_name(client_id) else ""  # which nobody is; PostgreSQL takes no NUL
    rows = connection.execute(
        select(
            service_accounts.c.authentication,
            service_accounts.c.jwks,
            account_secrets.c.digest,
            account_secrets.c.expires_at,
        )
        .outerjoin_from(service_accounts, account_secrets, account_secrets.c.client_id == service_accounts.c.client_id)
        .where(service_accounts.c.client_id == client_id, service_accounts.c.disabled_at.is_(None))
    ).all()
    if not rows:
        return None
    secrets = tuple(KnownSecret(bytes(row.digest), row.expires_at) for row in rows if row.digest is not None)
    return ClientAuthPolicy(rows[0].authentication, secrets, _keys(rows[0].jwks))


def _client(uow: UnitOfWork, client_id: str, generation: int) -> Client | None:
    connection = uow.connection
    proof = _proof(connection, client_id)
    row = connection.execute(select(service_accounts).where(service_accounts.c.client_id == client_id)).first()
    if proof is None or row is None:
        return None
    own = connection.scalars(select(apis.c.audience).where(apis.c.client_id == client_id)).all()
    granted = connection.execute(select(account_apis).where(account_apis.c.client_id == client_id)).all()
    access = {}
    for one in granted:
        api = read_api(uow, one.audience)
        if api is not None:
            scopes = frozenset(one.scopes.split()) & api.scopes
            defaults = tuple(scope for scope in one.default_scopes.split() if scope in scopes)
            access[one.audience] = Access(api, scopes, defaults)
    return Client(
        client_id=client_id,
        generation=generation,
        is_api=row.kind == "api",
        grants=frozenset(row.grants.split()),
        proof=proof,
        access=access,
        roles=tuple(row.roles.split()),
        tenant=row.tenant,
        audiences=frozenset(own),
        redirect_uris=tuple(row.redirect_uris.splitlines()),
        native=bool(row.native),
        allows_password_with_mfa=bool(row.allows_password_with_mfa),
    )


def read_api(uow: UnitOfWork, audience: str) -> Api | None:
    """The API as the database has it now; None where there is none, or it is disabled."""
    row = uow.connection.execute(select(apis).where(apis.c.audience == audience, apis.c.disabled_at.is_(None))).first()
    if row is None:
        return None
    scopes = uow.connection.scalars(select(api_scopes.c.scope).where(api_scopes.c.audience == audience)).all()
    signs = signer(
        uow.keys.load(uow),
        uow.sealed,
        audience=audience,
        token_format=row.token_format,
        algorithm=row.algorithm,
        shared_secret=None if row.shared_secret is None else bytes(row.shared_secret),
    )
    lifetime = min(row.token_lifetime, uow.settings.longest_access_token)  # which may have been lowered since
    return Api(audience, row.client_id, frozenset(scopes), lifetime, signs)


@functools.lru_cache(maxsize=1024)
def _keys(jwks: str | None) -> KeySet | None:
    """The keys in ``jwks``, read once: else who is refused could see by the clock that there are some to read."""
    try:
        return None if jwks is None else KeySet.static(json.loads(jwks))
    except (ConfigurationError, ValueError):
        return None
