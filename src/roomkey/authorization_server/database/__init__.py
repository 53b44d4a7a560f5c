"""How the auth service reaches its database: engines, transactions, lanes of jobs, migrations."""
