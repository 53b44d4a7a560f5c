"""The store protocol: encrypted bytes under names, written only over what the writer has seen, and leases that end.

A store knows nothing of tokens, keys or formats; it keeps what :class:`~roomkey.stores.encrypted_store.EncryptedStore`
encrypted. What every store promises stands in the docstrings below and is checked by
:mod:`roomkey.testing.store_conformance`.
"""

from dataclasses import dataclass, field
from typing import Final, Protocol

from roomkey.stores.keyring import Keyring

LONGEST_LEASE: Final = 60.0
"""Seconds that a lease may run at most. One that ends further away was written by a clock that has since been
stepped, and counts as over."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One record: the encrypted bytes, and the generation that a writer must name to replace them."""

    value: bytes = field(repr=False)
    generation: int


class Store(Protocol):
    """Four operations on opaque bytes, and a list of names: get, put if the generation fits, delete, lease.

    Keys are ASCII strings of 1 to 200 characters. Every method may block on I/O, within a limit of its own, and is
    safe in any thread and after a fork; none is called on an event loop. The only error that a method raises at run
    time is :class:`roomkey.errors.StoreUnavailable`, after which the store must work again as soon as its cause is
    gone. What was put is visible to every handle, process and machine that uses the store when ``put`` returns, and
    outlives the process and a power cut where the store keeps anything at all.
    """

    @property
    def keyring(self) -> Keyring:
        """Encrypts the values; made by the store where none was given. Does no I/O."""
        ...

    @property
    def name(self) -> str:
        """Words for messages, such as ``SQLite file tokens.db``; no password, no URL with one. Does no I/O."""
        ...

    def get(self, key: str) -> Stored | None:
        """The record as one whole: never the value of one write with the generation of another."""
        ...

    def put(self, key: str, value: bytes, *, generation: int) -> int | None:
        """Write ``value`` if the record still has ``generation`` (0: if there is none), in one atomic step.

        Returns the new generation, or None where the record has another one or is gone; then nothing was written.
        Generations are positive, grow, and never repeat in one store, not even for a key that was deleted and made
        again: one counter for the whole store does that without tombstones.
        """
        ...

    def delete(self, key: str, *, generation: int | None = None) -> bool:
        """Delete the record, or only if it still has ``generation``; True where one was deleted."""
        ...

    def lease(self, key: str, *, owner: str, seconds: float) -> bool:
        """Take the lease on ``key`` for ``owner``, or let the owner's own end ``seconds`` from now; never waits for it.

        False while another owner's lease runs. ``seconds`` lies above 0 and is at most :data:`LONGEST_LEASE`, else
        ValueError. A lease runs out by time alone, whatever became of its holder, and one that would run longer than
        LONGEST_LEASE is over. Leases and records are independent: neither needs the other, and a lease protects
        nothing. A holder that comes back late is stopped by ``put``.
        """
        ...

    def release(self, key: str, *, owner: str) -> None:
        """End the lease if ``owner`` holds it; anything else is left as it is."""
        ...

    def keys(self) -> list[str]:
        """The keys of all records, sorted."""
        ...

    def close(self) -> None:
        """Give back connections and files; may be called twice, and a later call of another method opens them again."""
        ...


def bad_lease(seconds: float) -> ValueError:
    """The error for a lease that may not run that long. For the authors of stores."""
    return ValueError(f"a lease runs for more than 0 and at most {LONGEST_LEASE:g} seconds, not {seconds!r}")
