"""Clients: authentication, the cache of their configuration, the limit on failed authentications."""
