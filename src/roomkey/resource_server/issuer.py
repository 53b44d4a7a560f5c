"""A trusted issuer that is ready to be asked: its keys, its rules, its auth service, its lists."""

from collections.abc import Mapping
from typing import Any, final

from roomkey.clock import Clock
from roomkey.concurrency.steps import Steps
from roomkey.http.address import check_endpoint_url
from roomkey.http.transport import Transport
from roomkey.jose.key_set import KeySet
from roomkey.resource_server.claim_mapping import ClaimMapping
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.confirmation import Confirmation, read_confirmation
from roomkey.resource_server.introspection import check_answer
from roomkey.resource_server.introspector import Introspector
from roomkey.resource_server.list_token import ListIssuer
from roomkey.resource_server.revocation import Revocation
from roomkey.resource_server.trusted_issuer import TrustedIssuer


@final
class JudgingIssuer:
    """What an API needs of one issuer. Making it does no I/O; safe in any thread, in asyncio and trio.

    Attributes:
        name: its identifier.
        keys: its keys, which never verify a token of another issuer.
        algorithms: the signature algorithms that are taken from it.
        rules: what its tokens must say.
        introspector: who asks its auth service, or None.
        always_asked: True where a good signature is not enough.
        never_verified: True where its auth service is asked in place of looking at the signature.
        revocation: its lists, or None.
    """

    __slots__ = (
        "_clock",
        "_mapping",
        "algorithms",
        "always_asked",
        "introspector",
        "keys",
        "name",
        "never_verified",
        "revocation",
        "rules",
    )

    def __init__(self, name: str, trusted: TrustedIssuer, transport: Transport, clock: Clock) -> None:
        asked = trusted.introspection
        if trusted.keys is None or (asked is not None and asked.endpoint is None):
            check_endpoint_url(name, "issuer=")
        self.name = name
        self.keys: KeySet = trusted.keys or KeySet.discover(name, transport=transport, clock=clock)
        self.algorithms = frozenset(trusted.algorithms or ())
        self.rules = trusted.rules(name)
        self._clock = clock
        assert isinstance(trusted.claims, ClaimMapping)  # noqa: S101 - normalised when it was made
        self._mapping = trusted.claims
        self.introspector = (
            None if asked is None else Introspector(asked, issuer=name, transport=transport, clock=clock)
        )
        self.always_asked = asked is not None and asked.mode != "local"
        self.never_verified = asked is not None and asked.mode == "introspect"
        self.revocation: Revocation | None = None
        if trusted.deny_list is not None or trusted.status_lists is not None:
            signer = ListIssuer(name, self.keys, self.algorithms, trusted.leeway, transport, clock)
            self.revocation = Revocation(signer, deny_list=trusted.deny_list, status_lists=trusted.status_lists)

    def read(self, claims: Mapping[str, Any]) -> Claims:
        """Verified ``claims`` with their meaning; raises InvalidToken."""
        return self._mapping.read(claims, audiences=self.rules.audiences)

    def asking(
        self, token: str, *, fresh: bool, verified: bool
    ) -> Steps[tuple[Mapping[str, Any], Confirmation | None]]:
        """What the auth service says of ``token``, and what its sender must prove; there must be an introspector.

        ``verified`` is True where the token's own claims were judged already.
        """
        assert self.introspector is not None  # noqa: S101 - the caller has looked
        answer = yield from self.introspector.course(token, fresh=fresh)
        check_answer(answer, self.rules, now=self._clock.wall(), verified=verified)
        return answer, read_confirmation(answer)
