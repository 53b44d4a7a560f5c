"""How the auth service is run: uvicorn with limits, logs, metrics, background jobs and backups."""
