"""The tables of the auth service; times are whole seconds since 1970, by the service's own clock."""

from roomkey.authorization_server.schema import accounts, audit, identity, keys, tokens
from roomkey.authorization_server.schema.base import metadata

__all__ = ["accounts", "audit", "identity", "keys", "metadata", "tokens"]
