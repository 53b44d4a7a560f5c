"""The grants of the token endpoint: one file for each grant type (RFC 6749)."""
