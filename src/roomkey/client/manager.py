"""The token manager: one for an application, with a store that it shares with others."""

import atexit
import secrets
import threading
import time
import weakref
from collections import OrderedDict
from typing import Final, Self, final

from roomkey.client.credential import Credential
from roomkey.client.credential_state import TokenIdentity
from roomkey.client.lifetime import RefreshWindow
from roomkey.client.resources import Count, Limits, Resources
from roomkey.client.token_request import TokenEndpoint
from roomkey.clock import Clock, SystemClock
from roomkey.concurrency.fork import Forkable, forkables
from roomkey.concurrency.single_flight import Flight
from roomkey.http.transport import Transport
from roomkey.oauth.discovery import Discovery
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.oauth.source import Parameters, Source, canonical
from roomkey.stores.encrypted_store import EncryptedStore
from roomkey.stores.memory import MemoryStore
from roomkey.stores.store import Store

_REMEMBERED_CREDENTIALS: Final = 1024
_WINDOW: Final = RefreshWindow()
_LIMITS: Final = Limits()
_TRANSPORT: Final = Transport()


@final
class TokenManager(Forkable):
    """Gets, keeps, reuses, refreshes and drops tokens, for any number of credentials.

    Parameters:
        store: where tokens are kept, encrypted, for all who share it; by default the memory of this process.
            ``SQLiteStore.default()`` is a file in the user's state folder. The manager closes it.
        window: where in a token's life it is refreshed.
        limits: how long things may take.
        transport: how token endpoints are reached: certificates, proxy, time-outs.
        clock: the time; tests pass one of their own.

    Making one does no I/O. Safe in any thread, event loop and after a fork; also a context manager, sync and async.
    """

    __slots__ = ("_credentials", "_lock", "_recent", "_resources", "_store")

    def __init__(
        self,
        store: Store | None = None,
        *,
        window: RefreshWindow | None = None,
        limits: Limits | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = SystemClock() if clock is None else clock
        transport = _TRANSPORT if transport is None else transport
        self._store = EncryptedStore(MemoryStore() if store is None else store)
        self._resources = Resources(
            store=self._store,
            endpoint=TokenEndpoint(transport, Discovery(transport, clock), clock),
            clock=clock,
            window=_WINDOW if window is None else window,
            limits=_LIMITS if limits is None else limits,
            owner=secrets.token_hex(8),
        )
        # _lock guards the two below it. What an application holds stays known; of the rest the latest used are kept.
        self._lock = threading.Lock()
        self._credentials: weakref.WeakValueDictionary[bytes, Credential] = weakref.WeakValueDictionary()
        self._recent: OrderedDict[bytes, Credential] = OrderedDict()
        forkables[id(self)] = self
        _managers.add(self)

    def credential(self, source: Source | ServiceAccountToken, context: str = "", *, name: str = "") -> Credential:
        """The credential of ``source`` for ``context``; the same one whenever both are the same. Does no I/O.

        Parameters:
            source: how the token is got, such as ``ClientCredentials(...)``.
            context: the tenant or technical client that it is for; different contexts never share a token.
            name: what messages call it.

        Raises TypeError where ``context`` or ``name`` is not a string.
        """
        if not isinstance(context, str) or not isinstance(name, str):
            raise TypeError("context= and name= of a credential must be strings")
        secrets, parameters = source.secrets(), source.parameters()
        parts: list[bytes] = []
        for name_of, secret in secrets:
            parts += (name_of.encode(), secret.identity)
        key = canonical(source.kind, parameters, context, *parts)
        with self._lock:
            known = self._credentials.get(key)
            if known is None:
                known = self._new(source, context, name, parameters)
                self._credentials[key] = known
            self._recent[key] = known
            self._recent.move_to_end(key)
            if len(self._recent) > _REMEMBERED_CREDENTIALS:
                self._recent.popitem(last=False)
            return known

    def _new(self, source: Source | ServiceAccountToken, context: str, name: str, parameters: Parameters) -> Credential:
        label = f'"{name}"' if name else source.description
        if context:
            label = f'{label} (context "{context}")'
        # It stands in logs, and the name of a tenant may come from outside: it must not begin a line of its own there.
        if not label.isprintable():
            label = "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in label)

        def sibling(scope: str) -> Credential:
            assert not isinstance(source, ServiceAccountToken)  # noqa: S101 - the credential has rejected that
            return self.credential(source.with_scope(scope), context, name=name)

        jitter = secrets.randbelow(1 << 32) / (1 << 32)
        identity = TokenIdentity(source, context, label, parameters, jitter)
        return Credential(identity, self._resources, name=name, sibling=sibling)

    @property
    def store_name(self) -> str:
        """The store in words."""
        return self._store.store.name

    def counts(self) -> tuple[Count, ...]:
        """The metrics of this manager so far: token requests, failures, records that could not be read. No I/O."""
        misses = self._store.misses
        unreadable = (("damaged", misses.damaged), ("unknown_key", misses.unknown_key), ("newer", misses.newer_version))
        return (*self._resources.counts(), *(Count(f"unreadable_records.{why}", n) for why, n in unreadable if n))

    def close(self) -> None:
        """Close the store's connections and forget the tokens in memory; waits for a refresh token's response."""
        self._finish()
        self._resources.closed = True
        with self._lock:
            known = list(self._credentials.values())
            self._recent.clear()
        for credential in known:
            credential.drop()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        closing = Flight(self.close)
        if not self._resources.workers.submit(closing.run):
            closing.run()
        await closing.wait_async(self._resources.limits.wait)

    def __repr__(self) -> str:
        return f"TokenManager({self._store.store.name})"

    def after_fork_in_child(self) -> None:
        """Make locks, threads and flights anew; tokens stay usable."""
        self._lock = threading.Lock()
        self._resources.reset_after_fork()
        for credential in list(self._credentials.values()):
            credential.reset_after_fork()

    def _finish(self) -> None:
        """Await what must not be abandoned and save what is in memory only, within one attempt's time."""
        if self._resources.closed:
            return
        end = time.monotonic() + self._resources.limits.fetch
        self._resources.await_spending(end - time.monotonic())
        with self._lock:
            known = list(self._credentials.values())
        for credential in known:
            if time.monotonic() >= end or not credential.save():
                return


_managers: "weakref.WeakSet[TokenManager]" = weakref.WeakSet()


@atexit.register
def _at_exit() -> None:
    for manager in list(_managers):
        manager._finish()
