"""The store that is used where none is named."""

import os
from pathlib import Path

from roomkey.errors import ConfigurationError
from roomkey.stores.sqlite import SQLiteStore


def state_folder() -> Path:
    """Where roomkey keeps a person's tokens: ``$XDG_STATE_HOME/roomkey``, or ``~/.local/state/roomkey``. No I/O.

    Raises ConfigurationError for a user without a home folder.
    """
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        return (named if named.is_absolute() else Path("~/.local/state").expanduser()) / "roomkey"
    except RuntimeError:
        problem = "This user has no home folder to keep tokens in; name a store, or set XDG_STATE_HOME."
    raise ConfigurationError(problem)


def default_store() -> SQLiteStore:
    """``tokens.db`` in the person's state folder, with a key file beside it; nothing is made before the first use."""
    return SQLiteStore(state_folder() / "tokens.db")
