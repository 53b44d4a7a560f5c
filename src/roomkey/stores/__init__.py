"""Token stores: the protocol, memory and SQLite, the keyring, and encryption at rest."""
