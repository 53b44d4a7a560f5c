"""Tokens that were made in a backoffice and handed to the app: nothing is asked for, only looked at."""

import logging
from typing import Final

from roomkey.client.landing import Held, Landing
from roomkey.client.lifetime import Lifetime
from roomkey.client.record import Record
from roomkey.clock import Clock
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.oauth.source import Revealed

_log = logging.getLogger("roomkey")

RECHECK_SECONDS: Final = 5.0
"""How long a rotated file or variable may go unnoticed."""
_UNKNOWN_END: Final = 315_360_000.0


def bring(source: ServiceAccountToken, revealed: Revealed, *, clock: Clock, label: str) -> Landing:
    """The app token as it stands in its file, variable or setting now.

    Raises LoginRequired when it has ended and SecretUnavailable when it cannot be read; reads a file at most.
    """
    answer = source.answer(revealed, wall=clock.wall())
    for warning in answer.warnings:
        _log.warning("The app token for %s: %s", label, warning)
    now = clock.monotonic()
    duration = min(answer.lifetime, _UNKNOWN_END)
    end = now + duration
    soft = end if source.token.kind == "value" else min(now + RECHECK_SECONDS, end)
    record = Record(
        access_token=answer.access_token,
        token_type=answer.token_type,
        scope=answer.scope,
        issued_at=clock.wall(),
        duration=duration,
        duration_from=answer.lifetime_from,
        label=label,
    )
    return Landing(
        record=record, held=Held(record, Lifetime(now, soft, end, end)), secrets_mark=revealed.mark, reason="read"
    )
