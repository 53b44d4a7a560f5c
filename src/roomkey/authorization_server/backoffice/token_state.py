"""How app tokens stand, as a kind of status and a word (pure)."""

from typing import Final

from roomkey.authorization_server.accounts.app_token import AppToken
from roomkey.authorization_server.health.alerts import SOON

_WORDS: Final = {
    "live": ("ok", "active"),
    "replaced": ("wait", "being replaced"),
    "expired": ("", "ended"),
    "revoked": ("bad", "revoked"),
}


def token_state(token: AppToken, now: int) -> tuple[str, str]:
    """The kind of status and its word."""
    state = token.state(now)
    if state == "live" and token.expires_at - now < min(SOON, token.lifetime // 2):
        return "warn", "ends soon"
    return _WORDS[state]
