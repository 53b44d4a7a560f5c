"""Tokens that are good no more although they have not ended: looked up in lists at hand, without a call (DESIGN 11)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from roomkey.concurrency.steps import Steps
from roomkey.http.address import check_endpoint_url
from roomkey.jose.claims import read_text, read_time
from roomkey.jose.reasons import invalid_token
from roomkey.resource_server.revocation_list import BY_DEFAULT, ListIssuer, ListPolicy, PolledList, followed_list
from roomkey.resource_server.status_list import VALID, FollowedStatusLists, Statuses, StatusLists, StatusReference

DENY_LIST: Final = "denylist+jwt"


@dataclass(frozen=True, slots=True, kw_only=True)
class DenyList:
    """Where an issuer publishes its deny list.

    Parameters:
        url: its address, https or loopback.
        policy: how it is followed, and what counts while it cannot be had.
    """

    url: str
    policy: ListPolicy = BY_DEFAULT

    def __post_init__(self) -> None:
        check_endpoint_url(self.url, "url= of DenyList")

    def followed(self, issuer: ListIssuer) -> PolledList[frozenset[str]]:
        """The list, ready to be asked; does no I/O yet."""
        return followed_list(issuer, self.url, typ=DENY_LIST, read=read_deny_list, policy=self.policy)


def read_deny_list(claims: Mapping[str, Any]) -> frozenset[str]:
    """The ``jti`` of every token on the list; raises InvalidToken where it is none (pure)."""
    for name in ("iss", "exp"):
        if name not in claims:
            raise invalid_token("claim_missing", name)
    read_text(claims, "iss")
    named = claims.get("jti")
    if not isinstance(named, Mapping):
        raise invalid_token("claim_malformed", "jti")
    for name in named:
        read_time(named, name)
    return frozenset(named)


@final
class Revocation:
    """The lists of one issuer. Making it does no I/O; safe in any thread, in asyncio and trio, and after a fork."""

    __slots__ = ("_denied", "_status_lists")

    def __init__(self, issuer: ListIssuer, *, deny_list: DenyList | None, status_lists: StatusLists | None) -> None:
        self._denied = None if deny_list is None else deny_list.followed(issuer)
        self._status_lists = None if status_lists is None else FollowedStatusLists(status_lists, issuer)

    def standing(self, claims: Mapping[str, Any]) -> "Standing | None":
        """How a token with these verified claims stands with the lists, or None where none of them is about it.

        Raises InvalidToken for a reference of the wrong form, and for a token without ``jti`` where there is a deny
        list: nobody could ever revoke it.
        """
        jti = None if self._denied is None else read_text(claims, "jti", required=True)
        reference = None if self._status_lists is None else self._status_lists.reference(claims)
        return None if jti is None and reference is None else Standing(self, jti, reference)

    def denied(self) -> PolledList[frozenset[str]] | None:
        """The deny list."""
        return self._denied

    def statuses(self, reference: StatusReference) -> PolledList[Statuses] | None:
        """The status list that ``reference`` names."""
        return None if self._status_lists is None else self._status_lists.followed(reference.uri)


@final
class Standing:
    """One token's place in the lists."""

    __slots__ = ("_jti", "_lists", "_reference")

    def __init__(self, lists: Revocation, jti: str | None, reference: StatusReference | None) -> None:
        self._lists = lists
        self._jti = jti
        self._reference = reference

    def good(self) -> bool:
        """True where lists at hand say that the token is good; False also where they must be asked for. No I/O."""
        denied = self._lists.denied()
        if denied is not None and ((named := denied.glance()) is None or self._jti in named):
            return False
        if self._reference is None:
            return True
        followed = self._lists.statuses(self._reference)
        statuses = None if followed is None else followed.glance()
        return statuses is not None and statuses.at(self._reference.index) == VALID

    def course(self) -> Steps[None]:
        """Raise InvalidToken where the token was revoked; waits for lists that are not at hand.

        Raises RevocationUnknown where one cannot be had, unless its policy accepts tokens then.
        """
        denied = self._lists.denied()
        if denied is not None:
            named = yield from denied.course(lambda _: False)
            if named is not None and self._jti in named:
                raise invalid_token("revoked")
        reference = self._reference
        followed = None if reference is None else self._lists.statuses(reference)
        if followed is not None and reference is not None:
            # A list that is too short may have grown since it was fetched.
            statuses = yield from followed.course(lambda statuses: statuses.at(reference.index) is None)
            status = VALID if statuses is None else statuses.at(reference.index)
            if status is None:
                raise invalid_token("claim_malformed", "status")
            if status != VALID:
                raise invalid_token("revoked")
