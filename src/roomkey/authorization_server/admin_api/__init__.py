"""The admin API: the acts of the backoffice as JSON over HTTP, for service accounts with a role of the service."""

from roomkey.authorization_server.admin_api.routes import routes

__all__ = ["routes"]
