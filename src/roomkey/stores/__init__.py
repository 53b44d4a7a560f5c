"""Where tokens are kept, sealed: the store protocol, the memory and SQLite stores, the keyring and the vault."""
