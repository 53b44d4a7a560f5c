"""The auth service: accounts, tokens, keys and their revocation, with a backoffice; ``roomkey serve`` runs it."""
