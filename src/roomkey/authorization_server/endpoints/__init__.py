"""HTTP endpoints for OAuth clients, APIs and operators, one file each."""
