"""Signing in and out, the first administrator, and one's own account."""

from roomkey.authorization_server.backoffice.sign_in.routes import ROUTES

__all__ = ["ROUTES"]
