"""The token manager: one for an application, with a store that it shares with others."""

import atexit
import secrets
import threading
import time
import weakref
from collections import OrderedDict
from typing import Self, final

from roomkey.client.acquisition import Acquisition, Limits
from roomkey.client.counters import Count, Counters
from roomkey.client.credential import Credential
from roomkey.client.engine import Engine
from roomkey.client.exchange import Exchange
from roomkey.client.lifetime import RefreshWindow
from roomkey.client.order import Subject
from roomkey.client.shelf import Shelf
from roomkey.clock import Clock, SystemClock
from roomkey.concurrency.fork import Forkable, tell_of_forks
from roomkey.concurrency.single_flight import Flight
from roomkey.http.transport import Transport
from roomkey.oauth.discovery import Discovery
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.oauth.source import Source, canonical
from roomkey.stores.default import default_store
from roomkey.stores.store import Store
from roomkey.stores.vault import Vault

_REMEMBERED_CREDENTIALS = 1024


@final
class TokenManager(Forkable):
    """Gets, keeps, reuses, refreshes and drops tokens, for any number of credentials.

    Parameters:
        store: where tokens are kept, sealed, for all who share it; by default an SQLite file in the user's state
            folder. The manager closes it.
        window: where in a token's life it is refreshed.
        limits: how long things may take.
        transport: how token endpoints are reached: certificates, proxy, time-outs.
        clock: the time; tests hand in one of their own.

    Making one does no I/O. Safe in any thread, event loop and after a fork; also a context manager, sync and async.
    """

    __slots__ = ("_credentials", "_engine", "_lock", "_recent", "_vault")

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
        limits = Limits() if limits is None else limits
        transport = Transport() if transport is None else transport
        counters = Counters()
        self._vault = Vault(default_store() if store is None else store)
        acquisition = Acquisition(
            shelf=Shelf(self._vault, counters),
            exchange=Exchange(transport, Discovery(transport, clock), clock),
            clock=clock,
            window=RefreshWindow() if window is None else window,
            limits=limits,
            counters=counters,
            owner=secrets.token_hex(8),
        )
        self._engine = Engine(acquisition=acquisition, clock=clock, limits=limits, counters=counters)
        # _lock guards the two below it. What an application holds stays known; of the rest the latest used are kept.
        self._lock = threading.Lock()
        self._credentials: weakref.WeakValueDictionary[bytes, Credential] = weakref.WeakValueDictionary()
        self._recent: OrderedDict[bytes, Credential] = OrderedDict()
        tell_of_forks(self)
        _managers.add(self)

    def credential(self, source: Source | ServiceAccountToken, context: str = "", *, name: str = "") -> Credential:
        """The credential of ``source`` for ``context``; the same one whenever both are the same. Does no I/O.

        Parameters:
            source: how the token is got, such as ``ClientCredentials(...)``.
            context: the tenant or technical client that it is for; different contexts never share a token.
            name: what messages call it.

        Raises TypeError for something else than a source or a text.
        """
        if not isinstance(context, str) or not isinstance(name, str):
            raise TypeError("context and name of a credential are texts")
        secrets = (part for name, secret in source.secrets() for part in (name.encode(), secret.identity))
        key = canonical(source.kind, source.parameters(), context, *secrets)
        with self._lock:
            known = self._credentials.get(key)
            if known is None:
                known = self._new(source, context, name)
                self._credentials[key] = known
            self._recent[key] = known
            self._recent.move_to_end(key)
            if len(self._recent) > _REMEMBERED_CREDENTIALS:
                self._recent.popitem(last=False)
            return known

    def _new(self, source: Source | ServiceAccountToken, context: str, name: str) -> Credential:
        label = f'"{name}"' if name else source.description
        if context:
            label = f'{label} (context "{context}")'
        # It stands in logs, and the name of a tenant may come from outside: it must not begin a line of its own there.
        label = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in label)

        def sibling(scope: str) -> Credential:
            assert not isinstance(source, ServiceAccountToken)  # noqa: S101 - the credential has refused that
            return self.credential(source.with_scope(scope), context, name=name)

        return Credential(Subject(source, context, label), self._engine, name=name, sibling=sibling)

    @property
    def store_name(self) -> str:
        """The store in words."""
        return self._vault.store.name

    def counts(self) -> tuple[Count, ...]:
        """What this manager has done so far: token requests, failures, records that could not be read. No I/O."""
        misses = self._vault.misses
        unreadable = (("damaged", misses.damaged), ("unknown_key", misses.unknown_key), ("newer", misses.newer_version))
        return (*self._engine.counters.read(), *(Count(f"unreadable_records.{why}", n) for why, n in unreadable if n))

    def close(self) -> None:
        """Give back the store's connections and forget the tokens in memory; waits for a refresh token's answer."""
        self._finish()
        self._engine.closed = True
        with self._lock:
            known = list(self._credentials.values())
            self._recent.clear()
        for credential in known:
            credential.drop()
        self._vault.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        closing = Flight(self.close)
        if not self._engine.workers.submit(closing.run):
            closing.run()
        await closing.wait_async(self._engine.limits.wait)

    def __repr__(self) -> str:
        return f"TokenManager({self._vault.store.name})"

    def after_fork_in_child(self) -> None:
        """Make locks, threads and flights anew; tokens stay usable."""
        self._lock = threading.Lock()
        self._engine.reset_after_fork()
        for credential in list(self._credentials.values()):
            credential.reset_after_fork()

    def _finish(self) -> None:
        """Await what must not be abandoned and write down what stands in memory only, within one attempt's time."""
        if self._engine.closed:
            return
        end = time.monotonic() + self._engine.limits.fetch
        self._engine.await_precious(end - time.monotonic())
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
