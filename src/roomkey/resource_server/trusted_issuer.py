"""One issuer that an API trusts: its keys, and what its tokens must say (RFC 9068 section 4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from roomkey.errors import ConfigurationError
from roomkey.jose.claims import REQUIRED_OF_ACCESS_TOKENS, ClaimRules
from roomkey.jose.key_set import KeySet
from roomkey.jose.key_set_status import KeySetState
from roomkey.jose.signature import ALGORITHMS, SYMMETRIC
from roomkey.jose.verify import allowed_algorithms
from roomkey.resource_server.claim_mapping import RFC_9068, ClaimMapping, mapping_named
from roomkey.resource_server.deny_list import DenyList
from roomkey.resource_server.introspection import Introspection
from roomkey.resource_server.status_list import StatusLists

Profile = Literal["at+jwt", "jwt"]
ASYMMETRIC: Final = ALGORITHMS - set(SYMMETRIC)
NOT_NAMED: Final[Any] = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """An issuer whose tokens an API takes.

    Parameters:
        audience: the API's own name, or several, of which a token's ``aud`` must name one; None, on purpose, takes
            tokens for every audience.
        keys: the issuer's keys; by default those that its metadata names (``KeySet.discover``).
        algorithms: the signature algorithms that are taken; by default every asymmetric one, and HMAC where ``keys``
            are fixed ones: never where they come from a URL.
        profile: ``at+jwt`` takes access tokens of RFC 9068 alone, ``jwt`` those of issuers that do not follow it.
        claims: where scopes, roles and tenant stand: a ``ClaimMapping``, or the name of one: ``entra``, ``keycloak``,
            ``cognito``, ``auth0``.
        leeway: seconds by which clocks may differ, 0 to 300.
        longest_age: seconds after ``iat`` in which a token is taken, or None for as long as it lives.
        issued_in_future: True takes a token whose ``iat`` lies ahead.
        introspection: how the auth service is asked about tokens, or None for never.
        deny_list: where its deny list is, or None.
        status_lists: how the status lists that its tokens name are followed, or None to pass them over.
    """

    audience: str | Iterable[str] | None
    keys: KeySet | None = None
    algorithms: Iterable[str] | None = None
    profile: Profile = "at+jwt"
    claims: ClaimMapping | str = RFC_9068
    leeway: float = 30.0
    longest_age: float | None = None
    issued_in_future: bool = True
    introspection: Introspection | None = None
    deny_list: DenyList | None = None
    status_lists: StatusLists | None = None

    def __post_init__(self) -> None:
        """Check and normalise; raises ConfigurationError, TypeError and ValueError. Does no I/O."""
        if self.audience is NOT_NAMED:
            raise TypeError("audience= is missing: name the API as its tokens do, or say None on purpose")
        if self.profile not in ("at+jwt", "jwt"):
            raise ConfigurationError('profile= is "at+jwt" or "jwt".')
        if self.audience is not None:
            named = (self.audience,) if isinstance(self.audience, str) else tuple(self.audience)
            object.__setattr__(self, "audience", frozenset(named))
        fixed = self.keys is not None and self.keys.status().state is KeySetState.FIXED
        default = ALGORITHMS if fixed else ASYMMETRIC
        allowed = frozenset(default) if self.algorithms is None else allowed_algorithms(self.algorithms)
        if not fixed and allowed & set(SYMMETRIC):
            raise ConfigurationError("HMAC needs keys=KeySet.static(Secret(...)): what a URL publishes is no secret.")
        object.__setattr__(self, "algorithms", allowed)
        if isinstance(self.claims, str):
            object.__setattr__(self, "claims", mapping_named(self.claims))
        self.rules("-")

    def rules(self, issuer: str) -> ClaimRules:
        """What the claims of its tokens must say, for the issuer identifier ``issuer``; raises ValueError."""
        audiences: frozenset[str] | None = self.audience  # type: ignore[assignment] # normalised when it was made
        return ClaimRules(
            issuer=issuer,
            audiences=audiences,
            access_tokens_only=self.profile == "at+jwt",
            required=REQUIRED_OF_ACCESS_TOKENS if self.profile == "at+jwt" else (),
            leeway=self.leeway,
            longest_age=self.longest_age,
            issued_in_future=self.issued_in_future,
        )
