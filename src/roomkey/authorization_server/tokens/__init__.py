"""Tokens: issue, records, refresh token rotation, introspection, search, revocation."""
