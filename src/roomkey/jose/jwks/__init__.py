"""Jwks."""
