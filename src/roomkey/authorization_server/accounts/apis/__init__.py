"""APIs: the audiences of tokens, and their scopes."""
