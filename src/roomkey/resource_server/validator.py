"""One object that turns tokens into verified claims, whoever of the trusted issuers they come from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, final

from roomkey.clock import Clock, SystemClock
from roomkey.errors import AccessError, ConfigurationError
from roomkey.jose.claims import ClaimRules, check_claims, read_text
from roomkey.jose.envelope import Compact, read_claims, read_compact
from roomkey.jose.key_set import KeySet
from roomkey.jose.keys import VerificationKey
from roomkey.jose.refusal import refused
from roomkey.jose.verify import check_algorithm, check_signature
from roomkey.resource_server.bearer_token import read_bearer_token
from roomkey.resource_server.claim_mapping import RFC_9068, ClaimMapping
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.requirements import Requirements
from roomkey.resource_server.trusted_issuer import ASYMMETRIC, NOT_NAMED, Profile, TrustedIssuer
from roomkey.wire.address import check_endpoint_url
from roomkey.wire.transport import Transport

_NOTHING: Final = Requirements()


@final
class TokenValidator:
    """Judges access tokens for one API.

    Parameters:
        issuer: the issuer identifier, letter for letter as in ``iss``; or a mapping of identifiers to
            ``TrustedIssuer``, which then has all the other settings.
        audience, keys, algorithms, profile, claims, leeway: see ``TrustedIssuer``.
        transport: how issuers are reached.
        clock: the time; tests hand in one of their own.

    Making one does no I/O. Safe in any thread, in asyncio and trio, and after a fork.

    >>> validator = TokenValidator(issuer="https://auth.example", audience="orders-api")
    >>> claims = validator.validate(token)  # doctest: +SKIP
    """

    __slots__ = ("_clock", "_issuers")

    def __init__(
        self,
        *,
        issuer: str | Mapping[str, TrustedIssuer],
        audience: str | Iterable[str] | None = NOT_NAMED,
        keys: KeySet | None = None,
        algorithms: Iterable[str] = ASYMMETRIC,
        profile: Profile = "at+jwt",
        claims: ClaimMapping | str = RFC_9068,
        leeway: float = 30.0,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = SystemClock() if clock is None else clock
        if isinstance(issuer, str):
            issuer = {
                issuer: TrustedIssuer(
                    audience=audience, keys=keys, algorithms=algorithms, profile=profile, claims=claims, leeway=leeway
                )
            }
        elif audience is not NOT_NAMED or keys is not None:
            raise ConfigurationError("With a mapping of issuers, audience= and keys= stand in each TrustedIssuer.")
        if not issuer:
            raise ConfigurationError("issuer= names no issuer, so no token could ever be good.")
        self._issuers = {name: _Judge(name, trusted, transport, self._clock) for name, trusted in issuer.items()}

    def validate(self, token: str) -> Claims:
        """The claims of ``token``, all verified.

        Raises InvalidToken, or KeysUnavailable where that cannot be told now. Blocks only while keys are fetched.
        """
        outcome = self._outcome(token)
        if isinstance(outcome, Claims):
            return outcome
        del token  # an error report with local variables shows no token
        raise outcome

    async def validate_async(self, token: str) -> Claims:
        """``validate`` for asyncio and trio: never blocks the loop."""
        outcome = await self._outcome_async(token)
        if isinstance(outcome, Claims):
            return outcome
        del token
        raise outcome

    def authorize(
        self,
        authorization: Sequence[str],
        requirements: Requirements = _NOTHING,
        *,
        elsewhere: bool = False,
        tenant: str | None = None,
    ) -> Claims:
        """The claims of the token in a request's headers, where they meet ``requirements``.

        Parameters:
            authorization: every ``Authorization`` header of the request.
            requirements: what the route asks for.
            elsewhere: True where query or form have an ``access_token`` too.
            tenant: the tenant that the request names, where the requirements ask for that.

        Raises AccessError: ``Answering(...).answer(error)`` is what goes back. Blocks as ``validate`` does.
        """
        claims = self.validate(read_bearer_token(authorization, elsewhere=elsewhere))
        requirements.check(claims, now=self._clock.wall(), tenant=tenant)
        return claims

    async def authorize_async(
        self,
        authorization: Sequence[str],
        requirements: Requirements = _NOTHING,
        *,
        elsewhere: bool = False,
        tenant: str | None = None,
    ) -> Claims:
        """``authorize`` for asyncio and trio: never blocks the loop."""
        claims = await self.validate_async(read_bearer_token(authorization, elsewhere=elsewhere))
        requirements.check(claims, now=self._clock.wall(), tenant=tenant)
        return claims

    @property
    def issuers(self) -> tuple[str, ...]:
        """The identifiers of the issuers that are trusted, for the API's metadata (RFC 9728)."""
        return tuple(self._issuers)

    def __repr__(self) -> str:
        return f"TokenValidator({', '.join(self._issuers)})"

    def _outcome(self, token: str) -> Claims | AccessError:
        try:
            compact, raw, judge = self._opened(token)
            return judge.judged(compact, raw, judge.keys.find(compact.header))
        except AccessError as error:
            return error.with_traceback(None)

    async def _outcome_async(self, token: str) -> Claims | AccessError:
        try:
            compact, raw, judge = self._opened(token)
            return judge.judged(compact, raw, await judge.keys.find_async(compact.header))
        except AccessError as error:
            return error.with_traceback(None)

    def _opened(self, token: str) -> "tuple[Compact, dict[str, Any], _Judge]":
        """The issuer is chosen here, before anything is asked for over the network; nothing of it is verified yet."""
        compact = read_compact(token)
        raw = read_claims(compact)
        judge = self._issuers.get(read_text(raw, "iss", required=True) or "")
        if judge is None:
            raise refused("wrong_issuer", "iss")
        check_algorithm(compact.header, judge.algorithms)
        return compact, raw, judge


class _Judge:
    """One issuer's keys and rules, ready to be used."""

    __slots__ = ("_clock", "_mapping", "_rules", "algorithms", "keys")

    def __init__(self, issuer: str, trusted: TrustedIssuer, transport: Transport | None, clock: Clock) -> None:
        if trusted.keys is None:
            check_endpoint_url(issuer, "issuer=")
        self.keys = trusted.keys or KeySet.discover(issuer, transport=transport, clock=clock)
        self.algorithms = frozenset(trusted.algorithms)
        self._rules: ClaimRules = trusted.rules(issuer)
        self._clock = clock
        assert isinstance(trusted.claims, ClaimMapping)  # noqa: S101 - normalised when it was made
        self._mapping = trusted.claims

    def judged(self, compact: Compact, raw: dict[str, Any], keys: Sequence[VerificationKey]) -> Claims:
        check_signature(compact, keys)
        check_claims(raw, compact.header.typ, self._rules, now=self._clock.wall())
        if raw.get("cnf") is not None:
            raise refused("bound_to_a_key", "cnf")
        return self._mapping.read(raw)
