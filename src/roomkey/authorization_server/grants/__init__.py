"""How a token is asked for: one file for each grant type (RFC 6749)."""
