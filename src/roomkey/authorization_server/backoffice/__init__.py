"""The backoffice: pages on which people ask for tokens, and see and change what the auth service knows."""
