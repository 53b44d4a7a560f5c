"""Token Status Lists: one or a few bits for each token that an issuer gave out (draft-ietf-oauth-status-list)."""

import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from roomkey.concurrency.fork import Forkable, tell_of_forks
from roomkey.errors import ConfigurationError
from roomkey.http.address import address_problem
from roomkey.jose import base64url
from roomkey.jose.reasons import invalid_token
from roomkey.resource_server.revocation_list import BY_DEFAULT, ListIssuer, ListPolicy, PolledList, followed_list

STATUS_LIST: Final = "statuslist+jwt"
LARGEST_INFLATED: Final = 4_194_304
VALID: Final = 0


@dataclass(frozen=True, slots=True)
class StatusReference:
    """Where a token's status stands: the list at ``uri``, and the ``index`` in it (section 6)."""

    uri: str
    index: int


@dataclass(frozen=True, slots=True)
class Statuses:
    """The statuses of one list, each of ``bits`` (1, 2, 4 or 8), packed from the lowest bit of each byte on."""

    bits: int
    packed: bytes

    def at(self, index: int) -> int | None:
        """The status at ``index``, 0 for a valid token, or None where the list is shorter."""
        per_byte = 8 // self.bits
        place, slot = divmod(index, per_byte)
        if place >= len(self.packed):
            return None
        return self.packed[place] >> (slot * self.bits) & ((1 << self.bits) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLists:
    """Look at the status lists that an issuer's tokens name.

    Parameters:
        policy: how they are followed, and what counts while one cannot be had.
        required: True refuses a token that names no list.
        most: how many lists are kept, 1 to 1,000; one has at most 4 MiB.
    """

    policy: ListPolicy = BY_DEFAULT
    required: bool = False
    most: int = 32

    def __post_init__(self) -> None:
        if not 1 <= self.most <= 1000:
            raise ConfigurationError("most= of StatusLists is a number from 1 to 1,000.")


class FollowedStatusLists(Forkable):
    """The status lists of one issuer, by address. Safe in any thread and after a fork."""

    __slots__ = ("_issuer", "_lists", "_lock", "_settings")

    def __init__(self, settings: StatusLists, issuer: ListIssuer) -> None:
        self._settings = settings
        self._issuer = issuer
        self._lock = threading.Lock()  # guards changes of _lists
        self._lists: dict[str, PolledList[Statuses]] = {}
        tell_of_forks(self)

    def followed(self, uri: str) -> PolledList[Statuses]:
        """The list at ``uri``; where there are too many, the one that nobody has used for longest makes room."""
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
        """Where the status of a token with ``claims`` stands; raises InvalidToken for a reference of the wrong form."""
        return read_reference(claims, required=self._settings.required, issuer=self._issuer.name)

    def _new(self, uri: str) -> PolledList[Statuses]:
        def read(claims: Mapping[str, Any]) -> Statuses:
            return read_status_list(claims, uri)

        return followed_list(self._issuer, uri, typ=STATUS_LIST, read=read, policy=self._settings.policy)

    def after_fork_in_child(self) -> None:
        """Make the lock anew; the lists do so for themselves."""
        self._lock = threading.Lock()


def read_reference(claims: Mapping[str, Any], *, required: bool, issuer: str) -> StatusReference | None:
    """The reference in a token's ``status`` claim, or None where it has none (pure).

    Raises InvalidToken where it has the wrong form, names an address that must not be asked, or is ``required`` and
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
    if type(index) is not int or index < 0 or not isinstance(uri, str) or address_problem(uri):
        raise invalid_token("claim_malformed", "status")
    if urlsplit(issuer).scheme == "https" != urlsplit(uri).scheme:
        raise invalid_token("claim_malformed", "status")
    return StatusReference(uri, index)


def read_status_list(claims: Mapping[str, Any], uri: str) -> Statuses:
    """The statuses in the claims of the list at ``uri`` (section 5.1); raises InvalidToken (pure)."""
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
