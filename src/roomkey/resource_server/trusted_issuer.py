"""One issuer that an API trusts: its keys, and what its tokens must say (RFC 9068 section 4)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from roomkey.errors import ConfigurationError
from roomkey.jose.claims import REQUIRED_OF_ACCESS_TOKENS, ClaimRules
from roomkey.jose.key_set import KeySet
from roomkey.jose.verify import allowed_algorithms
from roomkey.resource_server.claim_mapping import RFC_9068, ClaimMapping, mapping_named

Profile = Literal["at+jwt", "jwt"]
ASYMMETRIC: Final = (
    "ES256",
    "RS256",
    "PS256",
    "EdDSA",
    "Ed25519",
    "ES384",
    "RS384",
    "PS384",
    "ES512",
    "RS512",
    "PS512",
)
NOT_NAMED: Final[Any] = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """An issuer whose tokens an API takes.

    Parameters:
        audience: the API's own name, or several, of which a token's ``aud`` must name one; None, on purpose, takes
            tokens for every audience.
        keys: the issuer's keys; by default those that its metadata names (``KeySet.discover``).
        algorithms: the signature algorithms that are taken; every asymmetric one by default.
        profile: ``at+jwt`` takes access tokens of RFC 9068 alone, ``jwt`` those of issuers that do not follow it.
        claims: where scopes, roles and tenant stand: a ``ClaimMapping``, or the name of one: ``entra``, ``keycloak``,
            ``cognito``, ``auth0``.
        leeway: seconds by which clocks may differ, 0 to 300.
    """

    audience: str | Iterable[str] | None = NOT_NAMED
    keys: KeySet | None = None
    algorithms: Iterable[str] = ASYMMETRIC
    profile: Profile = "at+jwt"
    claims: ClaimMapping | str = RFC_9068
    leeway: float = 30.0

    def __post_init__(self) -> None:
        """Check and normalise; raises ConfigurationError, TypeError and ValueError. Does no I/O."""
        if self.audience is NOT_NAMED:
            raise ConfigurationError("audience= is missing: name the API as its tokens do, or say None on purpose.")
        if self.profile not in ("at+jwt", "jwt"):
            raise ConfigurationError('profile= is "at+jwt" or "jwt".')
        object.__setattr__(self, "algorithms", allowed_algorithms(self.algorithms))
        if isinstance(self.claims, str):
            object.__setattr__(self, "claims", mapping_named(self.claims))

    def rules(self, issuer: str) -> ClaimRules:
        """What the claims of its tokens must say, for the issuer identifier ``issuer``."""
        audience = (self.audience,) if isinstance(self.audience, str) else self.audience
        strict = self.profile == "at+jwt"
        return ClaimRules(
            issuer=issuer,
            audiences=None if audience is None else frozenset(audience),
            access_tokens_only=strict,
            required=tuple(name for name in REQUIRED_OF_ACCESS_TOKENS if name != "aud" or audience is not None)
            if strict
            else (),
            leeway=self.leeway,
        )
