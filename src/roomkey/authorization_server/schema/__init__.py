"""The tables of the auth service; times are whole seconds since 1970, by the service's own clock."""

from roomkey.authorization_server.schema import accounts, audit, identity, signing_keys, tokens
from roomkey.authorization_server.schema.base import metadata

__all__ = ["accounts", "audit", "identity", "metadata", "signing_keys", "tokens"]
