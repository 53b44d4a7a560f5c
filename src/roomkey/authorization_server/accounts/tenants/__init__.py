"""Tenants: whose data is kept apart."""
