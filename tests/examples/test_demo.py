"""The demo itself, and that it notices when one of its claims does not hold."""

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from examples.demo.auth_service import AuthService
from examples.demo.events import Run
from examples.demo.relay import Relay
from examples.demo.report import markdown, page
from examples.demo.runner import run
from examples.demo.scenes import SCENES
from rich.console import Console
from tests.support.leaks import LeakDetector

from roomkey.cli.exit_code import ExitCode
from roomkey.cli.theme import themed
from roomkey.testing import ProtectedAPI

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ACCOUNT, CREDENTIALS, BOTH, THREADS, REFRESH, REVOKED, OUTAGE, WAYS, FORGED = SCENES
QUICK = (ACCOUNT, CREDENTIALS, BOTH, REVOKED, WAYS, FORGED)


def played(*scenes, width=80, terminal=False, auth_service=None, api=None) -> tuple[Run, str]:
    target = io.StringIO()
    color = "truecolor" if terminal else None
    console = themed(Console(file=target, width=width, force_terminal=terminal, color_system=color, markup=False))
    return run(console, scenes=scenes, auth_service=auth_service, api=api), target.getvalue()


def start(*arguments: str, temporary: Path, **streams: Any) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(temporary.parent), "TMPDIR": str(temporary)}
    return subprocess.Popen([sys.executable, "-m", "examples.demo", *arguments], cwd=ROOT, env=environment, **streams)


def drawn(text: str) -> list[str]:
    """The rows of the diagrams in ``text``, each without its lifelines."""
    return [re.sub(r"[│ ]+", " ", line).strip() for line in text.splitlines() if "│" in line]


def test_the_demo_ends_by_itself_with_code_0_and_leaves_nothing_but_its_report(tmp_path: Path):
    folder, report = tmp_path / "temporary", tmp_path / "report.md"
    folder.mkdir()
    done = start("--report", str(report), temporary=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = done.communicate(timeout=60)  # some 10 s on a machine that has nothing else to do
    assert done.returncode == 0, out.decode()
    assert err == b""
    assert "9 of 9 scenes passed" in out.decode()
    assert f"The report is in {report}." in out.decode()
    assert b"\x1b" not in out
    assert sorted(tmp_path.iterdir()) == [report, folder]
    assert list(folder.iterdir()) == []
    assert "9 of 9 scenes passed" in report.read_text()


def test_an_interrupted_demo_leaves_no_folder_and_no_report(tmp_path: Path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    with (tmp_path / "output").open("wb") as output:
        running = start("--report", str(tmp_path / "report.html"), temporary=folder, stdout=output, stderr=output)
    end = time.monotonic() + 30
    while b"2  Credentials only" not in (tmp_path / "output").read_bytes() and time.monotonic() < end:
        time.sleep(0.05)
    assert len(list(folder.iterdir())) == 2  # the service's folder and the app's
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == ExitCode.INTERRUPTED
    assert (tmp_path / "output").read_text().endswith("roomkey: Interrupted.\n")
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "report.html").exists()


def test_a_wrong_report_is_rejected_in_one_sentence_before_the_first_scene(tmp_path: Path):
    done = start("--report", "pyproject.toml", temporary=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = done.communicate(timeout=60)
    assert (done.returncode, out) == (ExitCode.USAGE, b"")
    assert err == b"roomkey: --report pyproject.toml: the name must end in .md or .html.\n"


def test_the_service_account_flow_shows_its_eleven_steps_as_what_was_sent():
    result, text = played(ACCOUNT)
    assert result.passed
    rows = drawn(text.partition("or step 8")[0])
    numbered = [row for row in rows if re.match(r"\d+ ", row)]
    assert [int(row.split()[0]) for row in numbered] == list(range(1, 12))
    assert "POST /token-requests/~new" in numbered[0]
    token = re.search(r"token ([0-9a-f]{8})", numbered[2])
    assert token is not None
    assert f"token {token[1]}" in rows[rows.index(numbered[5]) + 1]  # the app sends what the page has shown
    assert "POST /oauth2/introspect" in numbered[7]
    assert "200 active" in numbered[8]
    assert "app reports: scope orders:read" in numbered[9]
    assert "✓ 3 calls answered 200" in text


def test_the_other_flows_say_who_acts_for_whom():
    result, text = played(CREDENTIALS, BOTH)
    assert result.passed
    assert "user bob, app kiosk: scope orders:read" in text
    assert "user alice, app counter: scope orders:read" in text
    assert "400 invalid_grant" in text
    assert "✓ the claims name the user alice and the client counter" in text


def test_every_scene_shows_its_claims_and_its_numbers():
    result, text = played(CREDENTIALS, REVOKED)
    assert result.passed
    assert text.count("✓ 1 token request") == 2
    assert "✓ the API answered 401, then 200" in text
    assert re.search(r"1  Credentials only +2 +2 +1 +\d+ ms  ✓ passed", text)
    assert re.search(r"app +→ API +GET /orders  token [0-9a-f]{8} +401 invalid_token", text)


def test_one_token_is_validated_in_three_ways_with_no_more_requests_than_each_of_them_needs():
    result, text = played(WAYS)
    assert result.passed
    asked = re.findall(r"✓ (.+?) +first +\d+\.\d ms, then +\d+ µs, requests to the auth service: (\d)", text)
    assert asked == [("static JWK", "0"), ("published JWKS", "1"), ("introspection", "1")]
    assert re.search(r"API +→ auth +GET /oauth2/jwks +200", text)
    assert re.search(r"API +→ auth +POST /oauth2/introspect +200", text)


def test_forged_tokens_get_one_response_and_different_reasons_in_the_log():
    result, text = played(FORGED)
    assert result.passed
    assert text.count("401 invalid_token ") == 8  # in the trace and in the log
    assert {"(algorithm_not_allowed).", "(bad_signature).", "(unknown_key)."} <= set(text.split())


def test_the_api_reads_of_a_revoked_token_in_the_deny_list():
    _, text = played(REVOKED)
    _, after = text.split("· auth service revokes the app's tokens")
    assert re.search(r"API +→ auth +GET /oauth2/deny-list +200", after)


def test_no_token_secret_or_password_is_shown_on_the_terminal_or_in_the_report():
    service = AuthService()
    result, text = played(*QUICK, auth_service=service)
    assert result.passed
    assert len(service.relay.issued) >= 6  # tokens of each scene, and the session of the browser
    reports = (page(result), markdown(result))
    LeakDetector(service.secret_values).assert_clean(text, *reports)
    assert not re.search(r"eyJ[\w-]{8,}|rk[a-z]{2}_[0-9A-Za-z]{12,}", "".join((text, *reports)))


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    _, text = played(*QUICK, width=width, terminal=True)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= width


class LyingService(AuthService):
    """Says that it is down, and works on."""

    def outage(self) -> None:
        pass


class BrokenRelay(Relay):
    """Forwards one token request and no other."""

    def _record(self, request) -> None:
        if self.token_requests:
            self.outage(503)
        super()._record(request)


class StubbornService(AuthService):
    """Revokes no token."""

    def revoke_tokens(self, client_id: str) -> None:
        pass


class SecretiveRelay(Relay):
    """Forwards no request of APIs."""

    def __init__(self) -> None:
        super().__init__()
        self.faulty = {"/oauth2/jwks", "/oauth2/introspect"}
        self.outage(503)


@pytest.mark.parametrize(
    ("scene", "service", "words"),
    [
        (REFRESH, AuthService(BrokenRelay()), "token requests for the new token  (wanted 1)"),
        (REVOKED, StubbornService(), "✗ the API answered 200"),
        (OUTAGE, LyingService(), "✗ after the outage, the next attempt brought the new token"),
        (WAYS, AuthService(SecretiveRelay()), "✗ The scene was aborted: KeysUnavailable"),
        (ACCOUNT, AuthService(SecretiveRelay()), "✗ 1 call answered 200  (wanted 3)"),
    ],
    ids=["refresh", "revoked", "outage", "ways", "account"],
)
def test_a_claim_that_does_not_hold_fails_the_run(scene, service, words):
    result, text = played(scene, auth_service=service)
    assert not result.passed
    assert words in text
    assert "✗ 0 of 1 scenes passed" in text


def test_a_second_token_request_of_many_threads_fails_the_run():
    api = ProtectedAPI()
    api.answer_with(401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    result, text = played(THREADS, api=api)
    assert not result.passed
    assert "✗ 2 token requests  (wanted 1)" in text


def test_an_api_that_accepts_everything_fails_the_run():
    result, text = played(FORGED, api=ProtectedAPI())
    assert not result.passed
    assert "✗ 0 forged tokens rejected with 401  (wanted 4)" in text
    assert "✗ 0 different reasons in the log  (wanted 3)" in text


def test_an_api_that_rejects_everything_fails_the_run():
    api = ProtectedAPI()
    api.reject_all = True
    result, text = played(CREDENTIALS, api=api)
    assert not result.passed
    assert "✗ 0 calls answered 200  (wanted 2)" in text


def test_a_scene_that_is_aborted_fails_the_run_and_the_others_go_on():
    class Broken(AuthService):
        def add_account(self, *args, **named):
            raise LookupError("rkcs_a_secret_in_an_exception")

    result, text = played(BOTH, REVOKED, auth_service=Broken())
    assert not result.passed
    assert text.count("✗ The scene was aborted: LookupError") == 2
    assert "rkcs_" not in text
    assert "✗ 0 of 2 scenes passed" in text


def test_the_temporary_folders_are_gone_even_when_a_scene_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    result, _ = played(REVOKED, auth_service=StubbornService())
    assert not result.passed
    assert list(tmp_path.iterdir()) == []
