"""How long to leave alone what has failed (pure)."""

import hashlib
from typing import Final

FIRST_STEP: Final = 1.0
LONGEST_STEP: Final = 60.0


def backoff(count: int, jitter: float) -> float:
    """Seconds to wait after the ``count``-th failure in a row: doubling from one second to one minute.

    ``jitter`` (0 to 1) makes them up to a fifth shorter, so that those who failed together do not come back together.
    """
    return float(min(FIRST_STEP * 2.0 ** min(count - 1, 16), LONGEST_STEP) * (1.0 - 0.2 * jitter))


def jitter_of(*parts: str) -> float:
    """A number between 0 and 1 that is always the same for the same parts and spread evenly over different ones."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6]) / 2**48
