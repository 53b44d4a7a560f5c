"""``roomkey.toml``: read strictly, turned into a manager and credentials when they are needed."""

from roomkey.config.configuration import Configuration, load

__all__ = ["Configuration", "load"]
