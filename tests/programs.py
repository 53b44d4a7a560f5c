"""A user's program, run as it stands against a test's own servers."""

import os
import subprocess
import sys
from pathlib import Path

from roomkey.testing import Issuer, ProtectedAPI


def output_of(*arguments: str | Path, issuer: Issuer, api: ProtectedAPI, home: Path) -> str:
    """What Python prints for ``arguments`` with every address and credential in the environment; it must succeed."""
    if "kiosk" not in issuer.ledger.clients:
        issuer.add_client("kiosk", public=True)
    token = home / "token"
    if not token.exists():
        token.write_text(issuer.issue())
    settings = {
        "AUTH_ISSUER": issuer.url,
        "ORDERS_URL": api.url,
        "ORDERS_SECRET": str(issuer.client.client_secret),
        "ORDERS_USER": issuer.user.username,
        "ORDERS_PASSWORD": issuer.user.password,
        "ORDERS_TOKEN_FILE": str(token),
        "LOGIN_URL": issuer.login_endpoint("nested"),
        "SERVICE_LOGIN_URL": issuer.login_endpoint("service"),
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
    }
    done = subprocess.run(
        [sys.executable, *arguments], check=False, env=os.environ | settings, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "orders" in done.stdout
    return done.stdout + done.stderr
