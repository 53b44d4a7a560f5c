"""Token Status Lists: one or a few bits for each issued token (draft-ietf-oauth-status-list)."""

import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from roomkey.concurrency.fork import Forkable, forkables
from roomkey.errors import ConfigurationError
from roomkey.http.transport import url_problem
from roomkey.jose import base64url
from roomkey.jose.reasons import invalid_token
from roomkey.resource_server.revocation_list import BY_DEFAULT, CachedList, ListPolicy, ListSigner, cached_list

STATUS_LIST: Final = "statuslist+jwt"
LARGEST_INFLATED: Final = 4_194_304
VALID: Final = 0


@dataclass(frozen=True, slots=True)
class StatusReference:
    """The list at ``uri`` that has a token's status, and the ``index`` in it (section 6)."""

    uri: str
    index: int


@dataclass(frozen=True, slots=True)
class Statuses:
    """The statuses of one list, each of ``bits`` (1, 2, 4 or 8), packed from the lowest bit of each byte on."""

    bits: int
    packed: bytes

    def at(self, index: int) -> int | None:
        """Return the status at ``index``, 0 for a valid token, or None where the list is shorter."""
        per_byte = 8 // self.bits
        byte, slot = divmod(index, per_byte)
        if byte >= len(self.packed):
            return None
        return self.packed[byte] >> (slot * self.bits) & ((1 << self.bits) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLists:
    """Follow the status lists that an issuer's tokens name.

    Parameters:
        policy: how they are followed, and what happens while one is unavailable.
        required: True rejects a token that names no list.
        most: how many lists are kept, 1 to 1,000; one has at most 4 MiB.
    """

    policy: ListPolicy = BY_DEFAULT
    required: bool = False
    most: int = 32

    def __post_init__(self) -> None:
        if not 1 <= self.most <= 1000:
            raise ConfigurationError("most= of StatusLists must be a number from 1 to 1,000.")


class CachedStatusLists(Forkable):
    """The status lists of one issuer, by URL. Safe in any thread and after a fork."""

    __slots__ = ("_lists", "_lock", "_settings", "_signer")

    def __init__(self, settings: StatusLists, signer: ListSigner) -> None:
        self._settings = settings
        self._signer = signer
        self._lock = threading.Lock()  # guards changes of _lists
        self._lists: dict[str, CachedList[Statuses]] = {}
        forkables[id(self)] = self

    def at(self, uri: str) -> CachedList[Statuses]:
        """Return the list at ``uri``; where there are too many, the least recently used one makes room."""
        known = self._lists.get(uri)
        if known is not None:
            return known
        with self._lock:
            if uri not in self._lists:
                if len(self._lists) >= self._settings.most:
                    del self._lists[min(self._lists, key=lambda name: self._lists[name].used)]
                self._lists[uri] = self._new(uri)
            return self._lists[uri]

    def reference(self, claims: Mapping[str, Any]) -> StatusReference | None:
        """Return the reference in ``claims``; raises InvalidToken for one of the wrong form."""
        return read_reference(claims, required=self._settings.required, issuer=self._signer.name)

    def _new(self, uri: str) -> CachedList[Statuses]:
        def read(claims: Mapping[str, Any]) -> Statuses:
            return read_status_list(claims, uri)

        return cached_list(self._signer, uri, typ=STATUS_LIST, read=read, policy=self._settings.policy)

    def after_fork_in_child(self) -> None:
        """Replace the lock; the lists do so for themselves."""
        self._lock = threading.Lock()


def read_reference(claims: Mapping[str, Any], *, required: bool, issuer: str) -> StatusReference | None:
    """Return the reference in a token's ``status`` claim, or None where it has none (pure).

    Raises InvalidToken where it has the wrong form, names a URL that must not be fetched, or is ``required`` and
    absent.
    """
    status = claims.get("status")
    reference = status.get("status_list") if isinstance(status, Mapping) else None
    if reference is None:
        if required or (status is not None and not isinstance(status, Mapping)):
            raise invalid_token("claim_missing" if status is None else "claim_malformed", "status")
        return None
    index = reference.get("idx") if isinstance(reference, Mapping) else None
    uri = reference.get("uri") if isinstance(reference, Mapping) else None
    if type(index) is not int or index < 0 or not isinstance(uri, str) or url_problem(uri):
        raise invalid_token("claim_malformed", "status")
    if urlsplit(issuer).scheme == "https" != urlsplit(uri).scheme:
        raise invalid_token("claim_malformed", "status")
    return StatusReference(uri, index)


def read_status_list(claims: Mapping[str, Any], uri: str) -> Statuses:
    """Return the statuses in the claims of the list at ``uri`` (section 5.1); raises InvalidToken (pure)."""
    if claims.get("sub") != uri:
        raise invalid_token("claim_malformed", "sub")
    status_list = claims.get("status_list")
    bits = status_list.get("bits") if isinstance(status_list, Mapping) else None
    lst = status_list.get("lst") if isinstance(status_list, Mapping) else None
    if type(bits) is not int or bits not in (1, 2, 4, 8) or not isinstance(lst, str) or not lst.isascii():
        raise invalid_token("claim_malformed", "status_list")
    packed = _inflated(base64url.decode(lst.encode()))
    if packed is None:
        raise invalid_token("claim_malformed", "status_list")
    return Statuses(bits, packed)


def _inflated(data: bytes | None) -> bytes | None:
    if data is None:
        return None
    unpacker = zlib.decompressobj()
    try:
        inflated = unpacker.decompress(data, LARGEST_INFLATED + 1)
    except zlib.error:
        return None
    whole = unpacker.eof and not unpacker.unused_data
    return inflated if whole and len(inflated) <= LARGEST_INFLATED else None
