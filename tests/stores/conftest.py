import traceback
from pathlib import Path

import pytest

import roomkey

SOURCE = str(Path(roomkey.__file__).parent)


def everything_shown(error):
    """The error with its causes, and the local variables of every frame of ours that it went through."""
    parts, seen = [], []
    while error is not None and error not in seen:
        seen.append(error)
        parts.extend((str(error), repr(error), repr(vars(error))))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename.startswith(SOURCE):
                parts.append(f"{frame.f_code.co_name}: {frame.f_locals!r}")
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


@pytest.fixture
def shown():
    return everything_shown
