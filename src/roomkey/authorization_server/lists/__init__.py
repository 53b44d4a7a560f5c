"""Revocation lists that validators poll instead of introspecting each token: deny list and status list."""
