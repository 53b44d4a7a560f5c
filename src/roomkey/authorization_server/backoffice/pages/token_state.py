"""How app tokens stand, in a word (pure)."""

from typing import Final

from roomkey.authorization_server.accounts.app_tokens import AppToken
from roomkey.authorization_server.settings import DAY

SOON: Final = 7 * DAY


def token_state(token: AppToken, now: int) -> tuple[str, str]:
    """The kind of status and its word."""
    if token.revoked_at is not None:
        return "bad", "revoked"
    if token.expires_at <= now:
        return "", "ended"
    if token.replaced_by is not None:
        return "wait", "being replaced"
    return ("warn", "ends soon") if token.expires_at - now < SOON else ("ok", "active")
