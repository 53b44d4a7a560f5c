"""Serving: uvicorn with limits, logs, metrics, background jobs and backups."""
