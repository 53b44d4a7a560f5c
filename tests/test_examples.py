"""Every example runs as it stands, against real servers, and finds its token again in the second run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from roomkey.testing import Issuer, LeakDetector, ProtectedAPI

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(path: Path, issuer: Issuer, api: ProtectedAPI, leaks: LeakDetector, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(issuer.issue())
    settings = {
        "AUTH_ISSUER": issuer.url,
        "ORDERS_URL": api.url,
        "ORDERS_SECRET": str(issuer.client.client_secret),
        "ORDERS_USER": issuer.user.username,
        "ORDERS_PASSWORD": issuer.user.password,
        "ORDERS_TOKEN_FILE": str(tmp_path / "token"),
        "LOGIN_URL": issuer.login_endpoint("nested"),
        "SERVICE_LOGIN_URL": issuer.login_endpoint("service"),
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    asked = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, path], check=False, env=os.environ | settings, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert "orders" in done.stdout
        leaks.assert_clean(done.stdout, done.stderr)
        asked.append(len(issuer.token_requests))
    assert asked[0] == asked[1]
