"""Revocation without a call per request: a token's status in the issuer's deny list and status lists.

The deny list is a short signed JWT of the type ``denylist+jwt``. Its claims are ``iss``, ``iat``, ``exp`` and ``jti``,
an object in which the ``jti`` of each revoked token has the second since 1970 at which that token expires, after which
it may be left out. Tokens are named by ``iss`` and ``jti``, never by their bytes: of an ES256 signature there is a
second form that is right as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from roomkey.concurrency.steps import Steps
from roomkey.http.transport import check_endpoint_url
from roomkey.jose.claims import read_string, read_time
from roomkey.jose.reasons import invalid_token
from roomkey.resource_server.revocation_list import BY_DEFAULT, CachedList, ListPolicy, ListSigner, cached_list
from roomkey.resource_server.status_list import VALID, CachedStatusLists, StatusLists, StatusReference

DENY_LIST: Final = "denylist+jwt"


@dataclass(frozen=True, slots=True, kw_only=True)
class DenyList:
    """Where an issuer publishes its deny list.

    Parameters:
        url: its URL, https or loopback.
        policy: how it is followed, and what happens while it is unavailable.
    """

    url: str
    policy: ListPolicy = BY_DEFAULT

    def __post_init__(self) -> None:
        check_endpoint_url(self.url, "url= of DenyList")


def read_deny_list(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the ``jti`` of every token on the list; raises InvalidToken where it is not a deny list (pure)."""
    for name in ("iss", "exp"):
        if name not in claims:
            raise invalid_token("claim_missing", name)
    read_string(claims, "iss")
    revoked = claims.get("jti")
    if not isinstance(revoked, Mapping):
        raise invalid_token("claim_malformed", "jti")
    for name in revoked:
        read_time(revoked, name)
    return frozenset(revoked)


@final
class Revocation:
    """The lists of one issuer. Making it does no I/O; safe in any thread, in asyncio and trio, and after a fork."""

    __slots__ = ("_status_lists", "deny_list")

    def __init__(self, signer: ListSigner, *, deny_list: DenyList | None, status_lists: StatusLists | None) -> None:
        self.deny_list: CachedList[frozenset[str]] | None = None
        if deny_list is not None:
            self.deny_list = cached_list(
                signer, deny_list.url, typ=DENY_LIST, read=read_deny_list, policy=deny_list.policy
            )
        self._status_lists = None if status_lists is None else CachedStatusLists(status_lists, signer)

    def status_of(self, claims: Mapping[str, Any]) -> "RevocationStatus | None":
        """Return the status of a token with these verified claims, or None where no list applies to it.

        Raises InvalidToken for a reference of the wrong form, and for a token without ``jti`` where there is a deny
        list: it could never be revoked.
        """
        jti = None if self.deny_list is None else read_string(claims, "jti", required=True)
        lists = self._status_lists
        reference = None if lists is None else lists.reference(claims)
        if jti is None and reference is None:
            return None
        return RevocationStatus(self.deny_list, jti, lists, reference)


@final
class RevocationStatus:
    """The status of one token."""

    __slots__ = ("_deny_list", "_jti", "_reference", "_status_lists")

    def __init__(
        self,
        deny_list: CachedList[frozenset[str]] | None,
        jti: str | None,
        status_lists: CachedStatusLists | None,
        reference: StatusReference | None,
    ) -> None:
        self._deny_list = deny_list
        self._jti = jti
        self._status_lists = status_lists
        self._reference = reference

    def is_valid(self) -> bool:
        """Return True where cached lists say that the token is valid; False also where one must be fetched. No I/O."""
        if self._deny_list is not None and ((revoked := self._deny_list.current()) is None or self._jti in revoked):
            return False
        if self._reference is None or self._status_lists is None:
            return True
        statuses = self._status_lists.at(self._reference.uri).current()
        return statuses is not None and statuses.at(self._reference.index) == VALID

    def check(self) -> Steps[None]:
        """Raise InvalidToken where the token was revoked; waits for lists that are not cached.

        Raises RevocationUnknown where one is unavailable, unless its policy accepts tokens then.
        """
        if self._deny_list is not None:
            revoked = yield from self._deny_list.get(lambda _: False)
            if revoked is not None and self._jti in revoked:
                raise invalid_token("revoked")
        reference = self._reference
        if self._status_lists is not None and reference is not None:
            # A list that is too short may have grown since it was fetched.
            statuses = yield from self._status_lists.at(reference.uri).get(
                lambda statuses: statuses.at(reference.index) is None
            )
            status = VALID if statuses is None else statuses.at(reference.index)
            if status is None:
                raise invalid_token("claim_malformed", "status")
            if status != VALID:
                raise invalid_token("revoked")
