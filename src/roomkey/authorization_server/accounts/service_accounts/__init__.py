"""Service accounts: the applications that get tokens."""
