"""An issuer that an API trusts: its settings, and the keys, rules and clients that are made of them (RFC 9068)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, final

from roomkey.clock import Clock
from roomkey.concurrency.steps import Steps
from roomkey.errors import ConfigurationError
from roomkey.http.transport import Transport, check_endpoint_url
from roomkey.jose.claims import REQUIRED_OF_ACCESS_TOKENS, ClaimRules
from roomkey.jose.jwks.key_set import KeySet
from roomkey.jose.jwks.local import KeySetState
from roomkey.jose.verification_key import ALGORITHMS, SYMMETRIC, allowed_algorithms
from roomkey.resource_server.claims import PRESETS, RFC_9068, ClaimMapping
from roomkey.resource_server.introspection import Introspection, check_response
from roomkey.resource_server.introspector import Introspector
from roomkey.resource_server.revocation import DenyList, Revocation
from roomkey.resource_server.revocation_list import ListSigner
from roomkey.resource_server.status_list import StatusLists

Profile = Literal["at+jwt", "jwt"]
ASYMMETRIC: Final = ALGORITHMS - set(SYMMETRIC)
NOT_NAMED: Final[Any] = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """An issuer whose tokens an API accepts.

    Parameters:
        audience: the API's own name, or several, of which a token's ``aud`` must name one; None, on purpose, accepts
            tokens for every audience.
        keys: the issuer's keys; by default those that its metadata names (``KeySet.discover``).
        algorithms: the signature algorithms that are accepted; by default every asymmetric one, and HMAC where ``keys``
            are fixed ones: never where they come from a URL.
        profile: ``at+jwt`` accepts access tokens of RFC 9068 only, ``jwt`` those of issuers that do not follow it.
        claims: where scopes, roles and tenant stand: a ``ClaimMapping``, or the name of one: ``entra``, ``keycloak``,
            ``cognito``, ``auth0``.
        leeway: seconds by which clocks may differ, 0 to 300.
        longest_age: seconds after ``iat`` in which a token is accepted, or None for as long as it is valid.
        issued_in_future: True accepts a token whose ``iat`` lies ahead.
        introspection: how the auth service is asked about tokens, or None for never.
        deny_list: where its deny list is, or None.
        status_lists: how the status lists that its tokens name are followed, or None to ignore them.
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
            raise ConfigurationError('profile= must be "at+jwt" or "jwt".')
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
            if self.claims not in PRESETS:
                raise ConfigurationError(f"claims= must be a ClaimMapping or one of {', '.join(PRESETS)}.")
            object.__setattr__(self, "claims", PRESETS[self.claims])
        self.rules("-")

    def rules(self, issuer: str) -> ClaimRules:
        """Return what the claims of its tokens must be, for the issuer identifier ``issuer``; raises ValueError."""
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


@final
class ConfiguredIssuer:
    """A trusted issuer with all that validation needs. Making it does no I/O; safe in any thread, asyncio and trio.

    Attributes:
        name: its identifier.
        keys: its keys, which never verify a token of another issuer.
        algorithms: the signature algorithms that are accepted from it.
        rules: what the claims of its tokens must be.
        mapping: where its tokens have scopes, roles and tenant.
        introspector: the client of its introspection endpoint, or None.
        always_introspects: True where a right signature is not enough.
        only_introspects: True where its auth service is asked instead of verifying the signature.
        revocation: its revocation lists, or None.
    """

    __slots__ = (
        "_clock",
        "algorithms",
        "always_introspects",
        "introspector",
        "keys",
        "mapping",
        "name",
        "only_introspects",
        "revocation",
        "rules",
    )

    def __init__(self, name: str, trusted: TrustedIssuer, transport: Transport, clock: Clock) -> None:
        introspection = trusted.introspection
        if trusted.keys is None or (introspection is not None and introspection.endpoint is None):
            check_endpoint_url(name, "issuer=")
        self.name = name
        self.keys: KeySet = trusted.keys or KeySet.discover(name, transport=transport, clock=clock)
        self.algorithms = frozenset(trusted.algorithms or ())
        self.rules = trusted.rules(name)
        self._clock = clock
        assert isinstance(trusted.claims, ClaimMapping)  # noqa: S101 - normalised when it was made
        self.mapping = trusted.claims
        self.introspector: Introspector | None = None
        if introspection is not None:
            self.introspector = Introspector(introspection, issuer=name, transport=transport, clock=clock)
        self.always_introspects = introspection is not None and introspection.mode != "local"
        self.only_introspects = introspection is not None and introspection.mode == "introspect"
        self.revocation: Revocation | None = None
        if trusted.deny_list is not None or trusted.status_lists is not None:
            signer = ListSigner(name, self.keys, self.algorithms, trusted.leeway, transport, clock)
            self.revocation = Revocation(signer, deny_list=trusted.deny_list, status_lists=trusted.status_lists)

    def introspect(self, token: str, *, fresh: bool, verified: bool) -> Steps[Mapping[str, Any]]:
        """Return what the auth service says of ``token``; raises InvalidToken, IntrospectionUnavailable.

        ``verified`` is True where the token's own claims were validated already. ConfigurationError where there is no
        introspector.
        """
        if self.introspector is None:
            raise ConfigurationError(f"fresh=True needs introspection= for {self.name}; there is no endpoint to ask.")
        response = yield from self.introspector.introspect(token, fresh=fresh)
        check_response(response, self.rules, now=self._clock.wall(), verified=verified)
        return response
