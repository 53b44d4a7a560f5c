"""Concurrency: single flight, steps that wait in threads and event loops, back-off, cached documents, forks."""
