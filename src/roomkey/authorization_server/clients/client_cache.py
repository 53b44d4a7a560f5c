"""Cache of clients by client_id, valid for one config version: a hit costs one look-up in memory."""

import functools
import json
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, select

from roomkey.authorization_server.accounts.syntax import is_name
from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.clients.client import AllowedApi, Client, ClientAuthPolicy, StoredSecret, TargetApi
from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.keys.published_keys import SigningKeys
from roomkey.authorization_server.keys.signer import signer
from roomkey.authorization_server.schema.accounts import (
    account_apis,
    account_secrets,
    api_scopes,
    apis,
    service_accounts,
)
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.revocation import block_bulk_revocation
from roomkey.authorization_server.unit_of_work import UnitOfWork, config_version
from roomkey.errors import ConfigurationError
from roomkey.jose.jwks.key_set import KeySet

_MAX_CLIENTS: Final = 20_000


class StaleConfig(ServiceError):
    """The configuration changed since it was cached; the caller reads it again and retries."""

    code = "outdated"
    status = 503


class ClientCache:
    """Clients by client_id. For one event loop.

    A cached client is valid for one config version: every transaction that acts on it compares that version first
    (``require_config_version``), so that a disabled client is rejected at once, on whichever node it was disabled.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._clients: dict[str, Client] = {}
        self._version = -1

    def cached(self, client_id: str) -> Client | None:
        """Return the client if it is cached. No I/O."""
        return self._clients.get(client_id)

    async def is_current(self, client: Client) -> bool:
        """Return whether nothing has changed since ``client`` was read."""
        return await self._service.database.read(lambda connection: config_version(connection) == client.config_version)

    async def read_auth_policy(self, client_id: str) -> ClientAuthPolicy | None:
        """Read the client's authentication policy; None, after the same one query, where there is no client."""
        return await self._service.database.read(lambda connection: _auth_policy(connection, client_id))

    async def read(self, client_id: str) -> Client | None:
        """Read the client from the database and cache it; None where there is none, or it is disabled."""

        def read(uow: UnitOfWork) -> tuple[Client | None, int]:
            version = config_version(uow.connection)
            return _client(uow, self._service.keys.load(uow), client_id, version), version

        client, version = await self._service.view(SERVICE, read)
        if version != self._version or len(self._clients) >= _MAX_CLIENTS:
            self._clients.clear()
            self._version = version
        if client is not None:
            self._clients[client_id] = client
        return client


def require_config_version(connection: Connection, version: int, *, issues: bool = True) -> None:
    """Raise StaleConfig unless ``version`` is the current config version.

    Where the transaction ``issues`` tokens, it also blocks the revocation of all tokens of a client or user until it
    ends.
    """
    (stale,) = compare_config_versions(connection, [version], issues=issues)
    if stale is not None:
        raise stale


def compare_config_versions(
    connection: Connection, versions: Iterable[int], *, issues: bool = True
) -> list[StaleConfig | None]:
    """Return, for each of ``versions``, None or the error that ``require_config_version`` raises for it."""
    if issues:
        block_bulk_revocation(connection)
    current = config_version(connection)
    return [None if version == current else StaleConfig("The configuration has changed.") for version in versions]


def _auth_policy(connection: Connection, client_id: str) -> ClientAuthPolicy | None:
    client_id = client_id if is_name(client_id) else ""  # no client's name; PostgreSQL takes no NUL
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
    secrets = tuple(StoredSecret(bytes(row.digest), row.expires_at) for row in rows if row.digest is not None)
    return ClientAuthPolicy(rows[0].authentication, secrets, _keys(rows[0].jwks))


def _client(uow: UnitOfWork, keys: SigningKeys, client_id: str, version: int) -> Client | None:
    connection = uow.connection
    policy = _auth_policy(connection, client_id)
    row = connection.execute(select(service_accounts).where(service_accounts.c.client_id == client_id)).first()
    if policy is None or row is None:
        return None
    own = connection.scalars(select(apis.c.audience).where(apis.c.client_id == client_id)).all()
    granted = connection.execute(select(account_apis).where(account_apis.c.client_id == client_id)).all()
    access = {}
    for one in granted:
        api = read_api(uow, keys, one.audience)
        if api is not None:
            scopes = frozenset(one.scopes.split()) & api.scopes
            defaults = tuple(scope for scope in one.default_scopes.split() if scope in scopes)
            access[one.audience] = AllowedApi(api, scopes, defaults)
    return Client(
        client_id=client_id,
        config_version=version,
        is_api=row.kind == "api",
        grants=frozenset(row.grants.split()),
        auth_policy=policy,
        access=access,
        roles=tuple(row.roles.split()),
        tenant=row.tenant,
        audiences=frozenset(own),
        redirect_uris=tuple(row.redirect_uris.splitlines()),
        native=bool(row.native),
        allows_password_with_mfa=bool(row.allows_password_with_mfa),
    )


def read_api(uow: UnitOfWork, keys: SigningKeys, audience: str) -> TargetApi | None:
    """Read the API, which signs with one of ``keys``; None where there is none, or it is disabled."""
    row = uow.connection.execute(select(apis).where(apis.c.audience == audience, apis.c.disabled_at.is_(None))).first()
    if row is None:
        return None
    scopes = uow.connection.scalars(select(api_scopes.c.scope).where(api_scopes.c.audience == audience)).all()
    signs = signer(
        keys,
        uow.keyring,
        audience=audience,
        token_format=row.token_format,
        algorithm=row.algorithm,
        shared_secret=None if row.shared_secret is None else bytes(row.shared_secret),
    )
    lifetime = min(row.token_lifetime, uow.settings.longest_access_token)  # which may have been lowered since
    return TargetApi(audience, row.client_id, frozenset(scopes), lifetime, signs)


@functools.lru_cache(maxsize=1024)
def _keys(jwks: str | None) -> KeySet | None:
    """Parse ``jwks`` once: else the time of a rejection would show that the client has keys."""
    try:
        return None if jwks is None else KeySet.static(json.loads(jwks))
    except (ConfigurationError, ValueError):
        return None
