"""``roomkey.toml``: read strictly, turned into a manager and credentials when they are needed."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roomkey.config.configuration import Configuration, load

__all__ = ["Configuration", "load"]


def __getattr__(name: str) -> Any:
    # The auth service reads its table of the file without the credentials' sources and what they import.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from roomkey.config import configuration

    return getattr(configuration, name)
