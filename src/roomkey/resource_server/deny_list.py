"""The short list of tokens that are revoked before their time: a signed JWT of the type ``denylist+jwt``.

Its claims are ``iss``, ``iat``, ``exp`` and ``jti``, an object in which the ``jti`` of each revoked token has the
second since 1970 at which that token ends, after which it may be left out. Tokens are named by ``iss`` and ``jti``,
never by their bytes: of an ES256 signature there is a second form that is right as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from roomkey.http.address import check_endpoint_url
from roomkey.jose.claims import read_text, read_time
from roomkey.jose.reasons import refused
from roomkey.resource_server.list_token import ListIssuer, followed_list
from roomkey.resource_server.polled_list import BY_DEFAULT, ListPolicy, PolledList

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
            raise refused("claim_missing", name)
    read_text(claims, "iss")
    named = claims.get("jti")
    if not isinstance(named, Mapping):
        raise refused("claim_malformed", "jti")
    for name in named:
        read_time(named, name)
    return frozenset(named)
