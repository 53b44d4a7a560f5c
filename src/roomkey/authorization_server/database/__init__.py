"""The database of the auth service: engines, transactions, statements, group commit, migration."""
