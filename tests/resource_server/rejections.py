"""Why something was rejected, as a value."""

from collections.abc import Callable

import pytest

import roomkey


def reason(call: Callable[[], object], kind: type[roomkey.AccessError] = roomkey.InvalidToken) -> str:
    """The reason of the error that ``call`` raises, which must be of this kind exactly."""
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return caught.value.reason
