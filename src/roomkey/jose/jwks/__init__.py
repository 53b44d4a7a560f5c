"""JSON Web Key Sets: keys given in code, and keys that an issuer publishes (RFC 7517)."""
