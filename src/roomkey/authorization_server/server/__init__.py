"""How the auth service is run: its server and limits, its logs, its figures, its backups, and what is wrong with it."""
