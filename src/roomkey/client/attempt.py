"""One attempt at the token endpoint: spend the refresh token or sign in, then save before use."""

import logging
from typing import Final, final

from roomkey.client import explanation
from roomkey.client.counters import Counters
from roomkey.client.exchange import Exchange, Granted
from roomkey.client.failure import Failure
from roomkey.client.landing import Landing
from roomkey.client.order import Found, Order
from roomkey.client.record import Record
from roomkey.client.shelf import Shelf
from roomkey.clock import Budget, Clock
from roomkey.errors import StoreUnavailable
from roomkey.http.transport import TransportError
from roomkey.oauth.source import Revealed, Source
from roomkey.oauth.token_response import TokenEndpointError
from roomkey.secret import Secret

_log = logging.getLogger("roomkey")

CIRCUIT_SECONDS: Final = 30.0
"""How long after a renewal for an API's sake that API cannot cause another one."""


@final
class Attempt:
    """Asks once for ``order`` and keeps what comes of it.

    ``key`` is where the record belongs in the store, None while the store is out of order; ``found`` is what lies
    there (or what is remembered). Used by one thread, once.
    """

    __slots__ = (
        "_budget",
        "_clock",
        "_counters",
        "_exchange",
        "_found",
        "_jitter",
        "_key",
        "_order",
        "_revealed",
        "_shelf",
        "_source",
    )

    def __init__(
        self,
        *,
        source: Source,
        order: Order,
        revealed: Revealed,
        found: Found,
        key: str | None,
        shelf: Shelf,
        exchange: Exchange,
        clock: Clock,
        seconds: float,
        jitter: float,
        counters: Counters,
    ) -> None:
        self._source = source
        self._order = order
        self._revealed = revealed
        self._found = found
        self._key = key
        self._shelf = shelf
        self._exchange = exchange
        self._clock = clock
        self._budget = Budget(seconds, clock)
        self._jitter = jitter
        self._counters = counters

    def make(self) -> Landing:
        """Ask, save, and say what came of it; never raises for an endpoint or a store that fails."""
        try:
            granted = self._refreshed() or self._signed_in()
        except TransportError as error:
            return self._unreached(error)
        except TokenEndpointError as error:
            return self._refused(error)
        return self._landed(granted)

    def _signed_in(self) -> Granted:
        self._counters.add("token_requests")
        return self._exchange.login(self._source, self._revealed, self._budget)

    def _refreshed(self) -> Granted | None:
        """Spend the refresh token; None where there is none any more and a sign-in is needed."""
        for _ in range(2):
            record = self._found.record
            if record is None or not record.refresh_token:
                return None
            self._keep(record.changed(spending=True))
            if self._found.record is not None and self._found.record.refresh_token != record.refresh_token:
                continue  # a sibling has spent it in the meantime, and to send it again would look like a theft
            self._order.precious()
            self._counters.add("token_requests")
            try:
                return self._exchange.refresh(self._source, self._revealed, Secret(record.refresh_token), self._budget)
            except TokenEndpointError as error:
                if error.error != "invalid_grant":
                    raise
            # A sibling may have rotated it: then theirs is used, and nothing of theirs is thrown away.
            if not self._look_again(spent=record):
                self._tell_of_refusal(record)
                self._keep(record.changed(refresh_token="", spending=False))
                return None
        return None

    def _tell_of_refusal(self, spent: Record) -> None:
        """After a lost answer a refusal was to be expected; at any other time it may tell of a theft."""
        if spent.spending:
            _log.info("%s: the refresh token was spent by a request whose answer was lost.", self._order.subject.label)
        else:
            self._counters.add("refused_refresh_tokens")
            _log.warning(
                "%s: the refresh token was refused; it has ended, was revoked, or somebody else has used it.",
                self._order.subject.label,
            )

    def _look_again(self, spent: Record) -> bool:
        """Read the store once more; True where it now holds another refresh token than ``spent``."""
        if self._key is None:
            return False
        try:
            found = self._shelf.load(self._key)
        except StoreUnavailable as trouble:
            self._shelf.out_of_order(trouble)
            return False
        if found.record is None or found.record.refresh_token in ("", spent.refresh_token):
            return False
        self._found = found
        return True

    def _landed(self, granted: Granted) -> Landing:
        earlier = self._found.record or Record(label=self._order.subject.label)
        answer = granted.answer
        issued_at = self._clock.wall() + granted.offset - granted.round_trip
        duration = answer.lifetime
        if answer.access_token == earlier.access_token:
            # Some servers answer with the token that they gave before: its end stays where it was.
            duration = min(duration, earlier.issued_at + earlier.duration - issued_at)
        if duration <= 0.0:
            # The refresh token that came with it is good all the same, and the one before it is spent.
            kept = earlier.changed(refresh_token=answer.refresh_token or earlier.refresh_token)
            self._found = Found(kept, self._found.generation)
            return self._refused(TokenEndpointError("expired_on_arrival"))
        for warning in answer.warnings:
            self._counters.add("odd_answers")
            _log.warning("The token answer for %s: %s", self._order.subject.label, warning)
        saved = self._keep(
            Record(
                access_token=answer.access_token,
                token_type=answer.token_type,
                scope=answer.scope,
                issued_at=issued_at,
                offset=granted.offset,
                duration=duration,
                duration_from=answer.lifetime_from,
                refresh_token=answer.refresh_token or earlier.refresh_token,
                renewed_for=self._renewed_for(earlier, issued_at),
                label=self._order.subject.label,
            )
        )
        return self._landing(saved=saved, offset=granted.offset, reason="fetched")

    def _renewed_for(self, earlier: Record, now: float) -> tuple[tuple[str, float], ...]:
        lately = tuple(item for item in earlier.renewed_for if now - item[1] < CIRCUIT_SECONDS)
        return (*lately, (self._order.rejected_by, now)) if self._order.rejected else lately

    def _refused(self, error: TokenEndpointError) -> Landing:
        spoiled = error.error == "invalid_grant"
        message = explanation.refused(
            url=self._url(), status=error.status, error=error.error, detail=str(error), secrets=self._revealed.origins
        )
        return self._failed(
            Failure(error.error, message, permanent=error.permanent or spoiled, login_required=spoiled),
            retry_after=error.retry_after,
        )

    def _unreached(self, error: TransportError) -> Landing:
        failure = Failure(error.reason, explanation.unreached(url=self._url(), detail=error.detail))
        # A lost answer may have spent the refresh token; the mark stays, so that a later refusal is understood.
        lost = error.sent and self._found.record is not None and self._found.record.spending
        return self._failed(failure, spending=lost)

    def _failed(self, failure: Failure, *, retry_after: float | None = None, spending: bool = False) -> Landing:
        record = self._found.record or Record(label=self._order.subject.label)
        wall = self._clock.wall()
        failure = failure.after(
            record.failure,
            wall=wall,
            retry_after=retry_after,
            usable_for=record.duration - record.age(wall) if record.access_token else 0.0,
            jitter=self._jitter,
        )
        self._counters.add("failed_token_requests")
        _log.info("No new token for %s: %s", self._order.subject.label, failure.message)
        saved = self._keep(record.changed(failure=failure, spending=spending))
        return self._landing(saved=saved or self._order.saved, failure=failure, reason="failed")

    def _landing(
        self, *, saved: bool, reason: str, offset: float | None = None, failure: Failure | None = None
    ) -> Landing:
        return Landing(
            record=self._found.record,
            generation=self._found.generation,
            saved=saved,
            failure=failure,
            fetched=failure is None,
            offset=offset,
            reason=reason,
        )

    def _keep(self, record: Record) -> bool:
        """Write ``record`` down; where that fails it is kept in memory and False is returned.

        Whoever comes back late, after its lease has ended, finds a newer token here and uses that one.
        """
        generation = self._found.generation
        self._found = Found(record, generation)
        if self._key is None:
            return False
        try:
            for _ in range(3):
                saved = self._shelf.save(self._key, record, generation)
                if saved is not None:
                    self._found = Found(record, saved)
                    return True
                stored = self._shelf.load(self._key)
                if stored.record is not None and stored.record.issued_at >= max(record.issued_at, 1.0):
                    self._found = stored
                    return True
                generation = stored.generation
        except StoreUnavailable as trouble:
            self._shelf.out_of_order(trouble)
        return False

    def _url(self) -> str:
        return self._source.token_endpoint or str(self._source.issuer)
