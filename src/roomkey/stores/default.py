"""The store that is used where none is named."""

import os
from pathlib import Path

from roomkey.stores.sqlite import SQLiteStore


def state_folder() -> Path:
    """Where roomkey keeps a person's tokens: ``$XDG_STATE_HOME/roomkey``, or ``~/.local/state/roomkey``. No I/O."""
    named = os.environ.get("XDG_STATE_HOME", "")
    return (Path(named) if Path(named).is_absolute() else Path("~/.local/state").expanduser()) / "roomkey"


def default_store() -> SQLiteStore:
    """``tokens.db`` in the person's state folder, with a key file beside it; nothing is made before the first use."""
    return SQLiteStore(state_folder() / "tokens.db")
