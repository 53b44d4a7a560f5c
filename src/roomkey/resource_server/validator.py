"""The token validator of an API: turns tokens of the trusted issuers into verified claims (RFC 9068, RFC 6750)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, final

from roomkey.clock import Clock, SystemClock
from roomkey.concurrency.steps import Steps, arun, run
from roomkey.errors import (
    AccessError,
    ConfigurationError,
    InvalidToken,
    RoomkeyError,
    TokenMissing,
    without_traceback,
)
from roomkey.http.transport import Transport
from roomkey.jose.claims import check_claims, check_type, read_string
from roomkey.jose.compact import LARGEST_TOKEN, read_claims, read_compact
from roomkey.jose.jwks.key_set import KeySet
from roomkey.jose.reasons import invalid_token
from roomkey.jose.verification_key import check_algorithm, check_signature
from roomkey.resource_server.bearer_header import ReceivedToken, read_bearer_header
from roomkey.resource_server.claims import RFC_9068, ClaimMapping, Claims
from roomkey.resource_server.dpop import DPoP
from roomkey.resource_server.dpop_proof import DPoPRequest
from roomkey.resource_server.introspection import Introspection
from roomkey.resource_server.issuer import NOT_NAMED, ConfiguredIssuer, Profile, TrustedIssuer
from roomkey.resource_server.requirements import Requirements
from roomkey.resource_server.revocation import DenyList
from roomkey.resource_server.sender_constraint import check_sender, read_confirmation
from roomkey.resource_server.status_list import StatusLists
from roomkey.resource_server.verified_tokens import VerifiedToken, VerifiedTokens

_NONE: Final = Requirements()
_OPAQUE: Final = re.compile(r"[!-~]+")


@final
class TokenValidator:
    """Validates access tokens for one API.

    Parameters:
        issuer: the issuer identifier, letter for letter as in ``iss``; or a mapping of identifiers to
            ``TrustedIssuer``, which then has all the other settings of an issuer.
        audience, keys, algorithms, profile, claims, leeway, introspection, deny_list, status_lists: see
            ``TrustedIssuer``.
        dpop: how tokens are accepted that are bound to a key of their sender; without it they are rejected.
        remembered: how many verified tokens are accepted again without verifying their signature anew; 0 for none.
        transport: how issuers are reached.
        clock: the time; tests pass one of their own.

    Making one does no I/O. Safe in any thread, in asyncio and trio, and after a fork.

    Attributes:
        dpop: as it was given.

    >>> validator = TokenValidator(issuer="https://auth.example", audience="orders-api")
    >>> claims = validator.validate(token)  # doctest: +SKIP
    """

    __slots__ = ("_clock", "_issuers", "_opaque", "_verified_tokens", "_wall", "dpop")

    def __init__(
        self,
        *,
        issuer: str | Mapping[str, TrustedIssuer],
        audience: str | Iterable[str] | None = NOT_NAMED,
        keys: KeySet | None = None,
        algorithms: Iterable[str] | None = None,
        profile: Profile = "at+jwt",
        claims: ClaimMapping | str = RFC_9068,
        leeway: float = 30.0,
        introspection: Introspection | None = None,
        deny_list: DenyList | None = None,
        status_lists: StatusLists | None = None,
        dpop: DPoP | None = None,
        remembered: int = 10_000,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        if isinstance(issuer, str):
            issuer = {
                issuer: TrustedIssuer(
                    audience=audience,
                    keys=keys,
                    algorithms=algorithms,
                    profile=profile,
                    claims=claims,
                    leeway=leeway,
                    introspection=introspection,
                    deny_list=deny_list,
                    status_lists=status_lists,
                )
            }
        elif audience is not NOT_NAMED or any(
            one is not None for one in (keys, algorithms, introspection, deny_list, status_lists)
        ):
            raise ConfigurationError("With a mapping of issuers, an issuer's settings stand in its TrustedIssuer.")
        if dpop is not None and not isinstance(dpop, DPoP):
            raise TypeError(f"dpop= takes a DPoP, not {type(dpop).__name__}")
        self.dpop = dpop
        if not issuer:
            raise ConfigurationError("issuer= names no issuer, so no token could ever be valid.")
        self._clock = SystemClock() if clock is None else clock
        self._wall = self._clock.wall
        transport = Transport() if transport is None else transport
        self._issuers = {name: ConfiguredIssuer(name, one, transport, self._clock) for name, one in issuer.items()}
        # An opaque token names no issuer, and an endpoint that is asked about it could use it.
        introspected = [one for one in self._issuers.values() if one.introspector is not None]
        self._opaque = introspected[0] if len(introspected) == 1 else None
        self._verified_tokens = VerifiedTokens(remembered)

    def validate(
        self,
        token: str,
        *,
        fresh: bool = False,
        certificate: bytes | None = None,
        proof: DPoPRequest | None = None,
    ) -> Claims:
        """Return the claims of ``token``, all verified.

        Parameters:
            token: a JWT, or where there is one auth service to ask about it, an opaque token.
            fresh: True asks the auth service now, whatever is known already.
            certificate: the client's certificate of this TLS connection in DER, for tokens that are bound to one.
            proof: the request's DPoP proof, where the token was sent by that scheme; None for a bearer token.

        Raises InvalidToken, InvalidDPoPProof, DPoPNonceRequired, or ValidationUnavailable where the token cannot be
        validated now; ConfigurationError for ``fresh`` without ``introspection=`` and for ``proof`` without ``dpop=``.
        Blocks only while keys, lists or introspection responses are fetched, each for a limited time.
        """
        digest, known = self._verified_tokens.find(token)
        if known is not None and not fresh and proof is None and known.is_valid(self._wall()):
            return known.claims
        outcome = run(self._validate(token, digest, known, fresh, certificate, proof))
        del token  # an error report with local variables shows no token
        return _claims_or_raise(outcome)

    async def validate_async(
        self,
        token: str,
        *,
        fresh: bool = False,
        certificate: bytes | None = None,
        proof: DPoPRequest | None = None,
    ) -> Claims:
        """``validate`` for asyncio and trio: never blocks the loop, and may be cancelled without harm to others."""
        digest, known = self._verified_tokens.find(token)
        if known is not None and not fresh and proof is None and known.is_valid(self._wall()):
            return known.claims
        outcome = await arun(self._validate(token, digest, known, fresh, certificate, proof))
        del token
        return _claims_or_raise(outcome)

    def authorize(
        self,
        authorization: Sequence[str],
        requirements: Requirements = _NONE,
        *,
        elsewhere: bool = False,
        tenant: str | None = None,
        certificate: bytes | None = None,
        proof: DPoPRequest | None = None,
    ) -> Claims:
        """Return the claims of the token in a request's headers, where they meet ``requirements``.

        Parameters:
            authorization: every ``Authorization`` header of the request.
            requirements: what the route requires.
            elsewhere: True where query or form have an ``access_token`` too.
            tenant: the tenant that the request names, where the requirements compare it.
            certificate: as for ``validate``.
            proof: the request's DPoP proof; it is verified where the token was sent by that scheme.

        Raises AccessError: ``ErrorResponses(...).answer(error)`` is what goes back. Blocks as ``validate`` does.
        """
        received = None
        try:
            received = read_bearer_header(authorization, elsewhere=elsewhere, dpop=self.dpop is not None)
            sent = _sent_proof(received, proof)
            claims = self.validate(received.value, fresh=requirements.fresh, certificate=certificate, proof=sent)
            requirements.check(claims, now=self._wall(), tenant=tenant)
            return claims
        except RoomkeyError as error:
            failure = self._with_challenge(without_traceback(error), received, requirements)
        del authorization, received  # an error report with local variables shows no token
        raise failure

    async def authorize_async(
        self,
        authorization: Sequence[str],
        requirements: Requirements = _NONE,
        *,
        elsewhere: bool = False,
        tenant: str | None = None,
        certificate: bytes | None = None,
        proof: DPoPRequest | None = None,
    ) -> Claims:
        """``authorize`` for asyncio and trio: never blocks the loop."""
        received = None
        try:
            received = read_bearer_header(authorization, elsewhere=elsewhere, dpop=self.dpop is not None)
            sent = _sent_proof(received, proof)
            claims = await self.validate_async(
                received.value, fresh=requirements.fresh, certificate=certificate, proof=sent
            )
            requirements.check(claims, now=self._wall(), tenant=tenant)
            return claims
        except RoomkeyError as error:
            failure = self._with_challenge(without_traceback(error), received, requirements)
        del authorization, received
        raise failure

    def check_requirements(self, requirements: Requirements) -> None:
        """Raise ConfigurationError where this validator could never meet them; for when a route is declared."""
        if requirements.fresh and any(one.introspector is None for one in self._issuers.values()):
            raise ConfigurationError("fresh=True needs introspection= for every issuer; there is no endpoint to ask.")

    @property
    def issuers(self) -> tuple[str, ...]:
        """The identifiers of the issuers that are trusted, for the API's metadata (RFC 9728)."""
        return tuple(self._issuers)

    def __repr__(self) -> str:
        return f"TokenValidator({', '.join(self._issuers)})"

    # -- the rules, once for both kinds of caller ----------------------------------------------------------------------

    def _validate(
        self,
        token: str,
        digest: bytes,
        known: VerifiedToken | None,
        fresh: bool,  # noqa: FBT001
        certificate: bytes | None,
        proof: DPoPRequest | None,
    ) -> Steps[Claims | RoomkeyError]:
        """Return the claims of ``token``, or the error as a value: the frames that it came through hold the token."""
        try:
            if self._opaque is not None and isinstance(token, str) and token.count(".") != 2:
                return (yield from self._introspect(token, self._opaque, fresh, certificate, proof))
            if known is None or not known.is_current(self._wall()):
                compact = read_compact(token)
                raw = read_claims(compact)
                # The issuer is chosen before anything is fetched; nothing is verified yet.
                issuer = self._issuers.get(read_string(raw, "iss", required=True) or "")
                if issuer is None:
                    raise invalid_token("wrong_issuer", "iss")
                check_type(compact.header.typ, access_tokens_only=issuer.rules.access_tokens_only)
                if issuer.only_introspects:
                    return (yield from self._introspect(token, issuer, fresh, certificate, proof))
                check_algorithm(compact.header, issuer.algorithms)
                keys = issuer.keys.find_cached(compact.header) or (yield from issuer.keys.find_steps(compact.header))
                key = check_signature(compact, keys)
                now = self._wall()
                validity = check_claims(raw, issuer.rules, now=now)
                claims = issuer.mapping.read(raw, audiences=issuer.rules.audiences)
                revocation = None if issuer.revocation is None else issuer.revocation.status_of(raw)
                confirmations = read_confirmation(raw) if "cnf" in raw else ()
                known = VerifiedToken(claims, validity, key, confirmations, revocation, issuer)
                self._verified_tokens.keep(digest, known, now)
            if known.revocation is not None:
                yield from known.revocation.check()
            confirmations = known.confirmations
            if fresh or known.issuer.always_introspects:
                response = yield from known.issuer.introspect(token, fresh=fresh, verified=True)
                confirmations += read_confirmation(response)
            if confirmations or proof is not None:
                yield from check_sender(token, confirmations, certificate, proof, self.dpop, now=self._wall())
            return known.claims
        except RoomkeyError as error:
            return without_traceback(error)

    def _introspect(
        self,
        token: str,
        issuer: ConfiguredIssuer,
        fresh: bool,  # noqa: FBT001
        certificate: bytes | None,
        proof: DPoPRequest | None,
    ) -> Steps[Claims]:
        """Return the claims that the auth service knows; no byte of the token itself is trusted for anything else."""
        if len(token) > LARGEST_TOKEN:
            raise invalid_token("too_large")
        if not _OPAQUE.fullmatch(token):
            raise invalid_token("malformed")
        response = yield from issuer.introspect(token, fresh=fresh, verified=False)
        confirmations = read_confirmation(response)
        claims = issuer.mapping.read(response, audiences=issuer.rules.audiences)
        yield from check_sender(token, confirmations, certificate, proof, self.dpop, now=self._wall())
        return claims

    def _with_challenge(
        self, error: RoomkeyError, received: ReceivedToken | None, requirements: Requirements
    ) -> RoomkeyError:
        """Add to ``error`` what its challenge says of scopes, and of DPoP where that is accepted (RFC 9449 7.1)."""
        if isinstance(error, TokenMissing):
            error.scope = requirements.scope
        if self.dpop is not None and isinstance(error, AccessError):
            error.dpop_algorithms = self.dpop.algorithms
            if received is not None:
                downgraded = isinstance(error, InvalidToken) and error.reason == "bound_to_a_key"
                error.scheme = "DPoP" if downgraded else received.scheme
        return error


def _claims_or_raise(outcome: Claims | RoomkeyError) -> Claims:
    if isinstance(outcome, Claims):
        return outcome
    raise outcome


def _sent_proof(received: ReceivedToken, proof: DPoPRequest | None) -> DPoPRequest | None:
    """Return the proof to verify, None for a bearer token; a DPoP token that was sent without one is to be rejected."""
    if received.scheme == "Bearer":
        return None
    return DPoPRequest((), method="", path="") if proof is None else proof
