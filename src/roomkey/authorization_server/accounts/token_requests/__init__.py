"""Requests for app tokens: made by one user, decided by another where that is needed, collected once."""
