"""``roomkey admin``: administration of the auth service on its own database."""

from typing import Final

NOUNS: Final = {
    "api": ("roomkey.cli.admin.apis", "What tokens are for, and which scopes there are."),
    "service-account": ("roomkey.cli.admin.service_accounts", "The apps that get tokens, and their secrets."),
    "app-token": ("roomkey.cli.admin.app_tokens", "Long-lived tokens that an app is configured with."),
    "token-request": ("roomkey.cli.admin.token_requests", "The app tokens that users asked for, and the answer."),
    "family": ("roomkey.cli.admin.families", "The tokens that apps hold for users, and their end."),
    "user": ("roomkey.cli.admin.users", "Who signs in, and what they may do."),
    "tenant": ("roomkey.cli.admin.tenants", "Whose data is kept apart."),
    "keys": ("roomkey.cli.admin.keys", "Those that sign tokens, and the one that encrypts the database."),
    "audit": ("roomkey.cli.admin.audit_log", "What was done, by whom, and whether its chain holds."),
}
"""By noun: its module, which is imported when it is used, and its short help."""
