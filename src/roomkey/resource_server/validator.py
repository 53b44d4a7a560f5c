"""One object that turns tokens into verified claims, whoever of the trusted issuers they come from."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, final

from roomkey.clock import Clock, SystemClock
from roomkey.concurrency.steps import Steps, arun, run
from roomkey.errors import AccessError, ConfigurationError, InvalidToken, RoomkeyError, without_traceback
from roomkey.http.transport import Transport
from roomkey.jose.claims import check_claims, check_type, read_text
from roomkey.jose.compact import LARGEST_TOKEN, Compact, read_claims, read_compact
from roomkey.jose.jwks.key_set import KeySet
from roomkey.jose.reasons import invalid_token
from roomkey.jose.verification_key import VerificationKey, check_algorithm, check_signature
from roomkey.resource_server.bearer_header import PresentedToken, read_presented_token
from roomkey.resource_server.claims import RFC_9068, ClaimMapping, Claims
from roomkey.resource_server.dpop import DPoP
from roomkey.resource_server.dpop_proof import DPoPRequest
from roomkey.resource_server.introspection import Introspection
from roomkey.resource_server.issuer import NOT_NAMED, JudgingIssuer, Profile, TrustedIssuer
from roomkey.resource_server.requirements import Requirements
from roomkey.resource_server.revocation import DenyList
from roomkey.resource_server.sender_constraint import Confirmation, Sender, proving, read_confirmation
from roomkey.resource_server.status_list import StatusLists
from roomkey.resource_server.verified_tokens import VerifiedToken, VerifiedTokens

_NOTHING: Final = Requirements()
_OPAQUE: Final = re.compile(r"[!-~]+")


@final
class TokenValidator:
    """Judges access tokens for one API.

    Parameters:
        issuer: the issuer identifier, letter for letter as in ``iss``; or a mapping of identifiers to
            ``TrustedIssuer``, which then has all the other settings of an issuer.
        audience, keys, algorithms, profile, claims, leeway, introspection, deny_list, status_lists: see
            ``TrustedIssuer``.
        dpop: how tokens are taken that are bound to a key of their holder; without it they are refused.
        remembered: how many verified tokens are known again without another look at their signature; 0 for none.
        transport: how issuers are reached.
        clock: the time; tests hand in one of their own.

    Making one does no I/O. Safe in any thread, in asyncio and trio, and after a fork.

    Attributes:
        dpop: as it was given.

    >>> validator = TokenValidator(issuer="https://auth.example", audience="orders-api")
    >>> claims = validator.validate(token)  # doctest: +SKIP
    """

    __slots__ = ("_clock", "_issuers", "_known", "_opaque", "_wall", "dpop")

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
            raise ConfigurationError("issuer= names no issuer, so no token could ever be good.")
        self._clock = SystemClock() if clock is None else clock
        self._wall = self._clock.wall
        reached = Transport() if transport is None else transport
        self._issuers = {name: JudgingIssuer(name, one, reached, self._clock) for name, one in issuer.items()}
        # An opaque token names no issuer, and one that is asked about it may use it.
        asked = [one for one in self._issuers.values() if one.introspector is not None]
        self._opaque = asked[0] if len(asked) == 1 else None
        self._known = VerifiedTokens(remembered)

    def validate(
        self,
        token: str,
        *,
        fresh: bool = False,
        certificate: bytes | None = None,
        proof: DPoPRequest | None = None,
    ) -> Claims:
        """The claims of ``token``, all verified.

        Parameters:
            token: a JWT, or where there is one auth service to ask about it, an opaque token.
            fresh: True asks the auth service now, whatever is known already.
            certificate: the client's certificate of this TLS connection in DER, for tokens that are bound to one.
            proof: what the request shows of DPoP, where the token was sent by that scheme; None for a bearer token.

        Raises InvalidToken, InvalidDPoPProof, DPoPNonceRequired, or ValidationUnavailable where that cannot be told
        now; ConfigurationError for ``fresh`` without ``introspection=`` and for ``proof`` without ``dpop=``. Blocks
        only while keys, lists or answers are fetched, each for a limited time.
        """
        mark, known = self._known.find(token)
        if known is not None and not fresh and proof is None and known.good(self._wall()):
            return known.claims
        outcome = run(self._validate(token, mark, known, certificate, proof, fresh=fresh))
        del token  # an error report with local variables shows no token
        return _claims_of(outcome)

    async def validate_async(
        self,
        token: str,
        *,
        fresh: bool = False,
        certificate: bytes | None = None,
        proof: DPoPRequest | None = None,
    ) -> Claims:
        """``validate`` for asyncio and trio: never blocks the loop, and may be cancelled without harm to others."""
        mark, known = self._known.find(token)
        if known is not None and not fresh and proof is None and known.good(self._wall()):
            return known.claims
        outcome = await arun(self._validate(token, mark, known, certificate, proof, fresh=fresh))
        del token
        return _claims_of(outcome)

    def authorize(
        self,
        authorization: Sequence[str],
        requirements: Requirements = _NOTHING,
        *,
        elsewhere: bool = False,
        tenant: str | None = None,
        certificate: bytes | None = None,
        proof: DPoPRequest | None = None,
    ) -> Claims:
        """The claims of the token in a request's headers, where they meet ``requirements``.

        Parameters:
            authorization: every ``Authorization`` header of the request.
            requirements: what the route asks for.
            elsewhere: True where query or form have an ``access_token`` too.
            tenant: the tenant that the request names, where the requirements ask for that.
            certificate: as for ``validate``.
            proof: what the request shows of DPoP; it is looked at where the token was sent by that scheme.

        Raises AccessError: ``ErrorResponses(...).answer(error)`` is what goes back. Blocks as ``validate`` does.
        """
        token = None
        try:
            token = read_presented_token(authorization, elsewhere=elsewhere, dpop=self.dpop is not None)
            shown = _shown(token, proof)
            claims = self.validate(token.value, fresh=requirements.fresh, certificate=certificate, proof=shown)
            requirements.check(claims, now=self._wall(), tenant=tenant)
            return claims
        except RoomkeyError as error:
            refusal = self._challenged(without_traceback(error), token)
        del authorization, token  # an error report with local variables shows no token
        raise refusal

    async def authorize_async(
        self,
        authorization: Sequence[str],
        requirements: Requirements = _NOTHING,
        *,
        elsewhere: bool = False,
        tenant: str | None = None,
        certificate: bytes | None = None,
        proof: DPoPRequest | None = None,
    ) -> Claims:
        """``authorize`` for asyncio and trio: never blocks the loop."""
        token = None
        try:
            token = read_presented_token(authorization, elsewhere=elsewhere, dpop=self.dpop is not None)
            shown = _shown(token, proof)
            claims = await self.validate_async(
                token.value, fresh=requirements.fresh, certificate=certificate, proof=shown
            )
            requirements.check(claims, now=self._wall(), tenant=tenant)
            return claims
        except RoomkeyError as error:
            refusal = self._challenged(without_traceback(error), token)
        del authorization, token
        raise refusal

    def check_requirements(self, requirements: Requirements) -> None:
        """Raise ConfigurationError where this validator could never meet them; for when a route is declared."""
        if requirements.fresh and any(one.introspector is None for one in self._issuers.values()):
            raise ConfigurationError("fresh=True needs introspection= for every issuer; there is nobody to ask.")

    @property
    def issuers(self) -> tuple[str, ...]:
        """The identifiers of the issuers that are trusted, for the API's metadata (RFC 9728)."""
        return tuple(self._issuers)

    def __repr__(self) -> str:
        return f"TokenValidator({', '.join(self._issuers)})"

    # -- one way through the rules, for both kinds of caller -----------------------------------------------------------

    def _validate(
        self,
        token: str,
        digest: bytes,
        known: VerifiedToken | None,
        certificate: bytes | None,
        proof: DPoPRequest | None,
        *,
        fresh: bool,
    ) -> Steps[Claims | RoomkeyError]:
        """The claims of ``token``, or why it is rejected: as a value, for the frames that it came through hold it."""
        try:
            if self._opaque is not None and isinstance(token, str) and token.count(".") != 2:
                return (yield from self._unsigned(token, self._opaque, Sender(certificate, proof), fresh=fresh))
            if known is None or not known.signed(self._wall()):
                compact, raw, issuer = self._read(token)
                if issuer.never_verified:
                    return (yield from self._unsigned(token, issuer, Sender(certificate, proof), fresh=fresh))
                keys = issuer.keys.find_cached(compact.header) or (yield from issuer.keys.find_steps(compact.header))
                known = self._verified(digest, compact, raw, issuer, keys)
            if known.standing is not None:
                yield from known.standing.course()
            bonds = _bonds(known.confirmation)
            if fresh or known.issuer.always_asked:
                self._check_askable(known.issuer)
                _, said = yield from known.issuer.asking(token, fresh=fresh, verified=True)
                bonds += _bonds(said)
            if bonds or proof is not None:
                yield from proving(token, bonds, Sender(certificate, proof), self.dpop, now=self._wall())
            return known.claims
        except RoomkeyError as error:
            return without_traceback(error)

    def _read(self, token: str) -> tuple[Compact, Mapping[str, Any], JudgingIssuer]:
        """The issuer is chosen here, before anything is asked for over the network; nothing is verified yet."""
        compact = read_compact(token)
        raw = read_claims(compact)
        issuer = self._issuers.get(read_text(raw, "iss", required=True) or "")
        if issuer is None:
            raise invalid_token("wrong_issuer", "iss")
        check_type(compact.header.typ, access_tokens_only=issuer.rules.access_tokens_only)
        if not issuer.never_verified:
            check_algorithm(compact.header, issuer.algorithms)
        return compact, raw, issuer

    def _verified(
        self,
        mark: bytes,
        compact: Compact,
        raw: Mapping[str, Any],
        issuer: JudgingIssuer,
        keys: Iterable[VerificationKey],
    ) -> VerifiedToken:
        key = check_signature(compact, keys)
        now = self._wall()
        life = check_claims(raw, issuer.rules, now=now)
        claims = issuer.read(raw)
        standing = None if issuer.revocation is None else issuer.revocation.standing(raw)
        verified = VerifiedToken(claims, life, key, read_confirmation(raw), standing, issuer)
        self._known.keep(mark, verified, now)
        return verified

    def _unsigned(self, token: str, issuer: JudgingIssuer, sender: Sender, *, fresh: bool) -> Steps[Claims]:
        """The claims of a token that its auth service alone knows; no byte of it is trusted for anything else."""
        if len(token) > LARGEST_TOKEN:
            raise invalid_token("too_large")
        if not _OPAQUE.fullmatch(token):
            raise invalid_token("malformed")
        answer, confirmation = yield from issuer.asking(token, fresh=fresh, verified=False)
        claims = issuer.read(answer)
        yield from proving(token, _bonds(confirmation), sender, self.dpop, now=self._wall())
        return claims

    def _challenged(self, error: RoomkeyError, token: PresentedToken | None) -> RoomkeyError:
        """``error`` with what its challenge says of DPoP, where that is taken (RFC 9449 section 7.1)."""
        if self.dpop is not None and isinstance(error, AccessError):
            error.dpop_algorithms = self.dpop.algorithms
            if token is not None:
                downgraded = isinstance(error, InvalidToken) and error.reason == "bound_to_a_key"
                error.scheme = "DPoP" if downgraded else token.scheme
        return error

    def _check_askable(self, issuer: JudgingIssuer) -> None:
        if issuer.introspector is None:
            raise ConfigurationError(f"fresh=True needs introspection= for {issuer.name}; there is nobody to ask.")


def _claims_of(outcome: Claims | RoomkeyError) -> Claims:
    if isinstance(outcome, Claims):
        return outcome
    raise outcome


def _bonds(confirmation: Confirmation | None) -> tuple[Confirmation, ...]:
    return () if confirmation is None else (confirmation,)


def _shown(token: PresentedToken, proof: DPoPRequest | None) -> DPoPRequest | None:
    """What a request shows of DPoP where its token was sent by that scheme: nothing at all is something to refuse."""
    if token.scheme == "Bearer":
        return None
    return DPoPRequest((), method="", path="") if proof is None else proof
