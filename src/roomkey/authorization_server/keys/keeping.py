"""Keys move on by themselves: once a minute each node does what is due."""

import asyncio
import logging
from typing import Final

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.keys.rotation import Advance, advance
from roomkey.authorization_server.service import Service

_LOG: Final = logging.getLogger("roomkey.server.keys")
_EVERY: Final = 60.0


async def keep_keys(service: Service, *, every: float = _EVERY) -> None:
    """Do what is due with the keys now and every ``every`` seconds, to the end of the task."""
    while True:
        try:
            done = await service.perform(SERVICE, advance)
        except DatabaseUnavailable as error:
            _LOG.warning("keys not looked at", extra={"fields": {"problem": str(error)}})
        else:
            if done != Advance():
                _LOG.info("keys moved on", extra={"fields": _told(done)})
        await asyncio.sleep(every)


def _told(done: Advance) -> dict[str, str]:
    return {
        "created": " ".join(done.created),
        "activated": " ".join(rotation.kid for rotation in done.activated),
        "removed": " ".join(done.removed),
    }
