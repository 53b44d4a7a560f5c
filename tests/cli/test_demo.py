"""The demo itself, and that it notices when one of its claims is not so."""

import io
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest
from rich.console import Console

from roomkey.cli.demo.auth_service import Desk
from roomkey.cli.demo.relay import Relay
from roomkey.cli.demo.report.document import document
from roomkey.cli.demo.runner import play
from roomkey.cli.demo.steps import STEPS
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.theme import themed
from roomkey.testing import LeakDetector, ProtectedAPI

ACCOUNT, CREDENTIALS, BOTH, THREADS, REFRESH, REVOKED, OUTAGE, WAYS, FORGED = STEPS
QUICK = (ACCOUNT, CREDENTIALS, BOTH, REVOKED, WAYS, FORGED)


def played(*steps, width=80, terminal=False, desk=None, api=None, report=lambda _: None):
    target = io.StringIO()
    color = "truecolor" if terminal else None
    console = themed(Console(file=target, width=width, force_terminal=terminal, color_system=color, markup=False))
    return play(console, steps=steps, desk=desk, api=api, report=report), target.getvalue()


def drawn(text: str) -> list[str]:
    """The rows of the diagrams in ``text``, each without its lifelines."""
    return [re.sub(r"[│ ]+", " ", line).strip() for line in text.splitlines() if "│" in line]


def test_the_demo_ends_by_itself_with_code_0_and_leaves_nothing_but_its_report(home, tmp_path: Path):
    folder, report = tmp_path / "temporary", tmp_path / "report.html"
    folder.mkdir()
    begun = time.monotonic()
    done = home.run("demo", "--report", str(report), TMPDIR=str(folder))
    assert time.monotonic() - begun < 40  # some 9 on a machine that has nothing else to do
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert "9 of 9 scenes held" in done.stdout
    assert f"The report is in {report}." in done.stdout
    assert "\x1b" not in done.stdout
    assert list(folder.iterdir()) == []
    assert sorted(path.name for path in home.folder.iterdir()) == ["roomkey.toml"]
    assert "9 of 9 scenes held" in report.read_text()


def test_an_interrupted_demo_leaves_no_folder_and_says_so_in_a_word(home, tmp_path: Path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    home.environment["TMPDIR"] = str(folder)
    with (tmp_path / "output").open("wb") as output:
        running = home.start("demo", "--report", str(tmp_path / "report.html"), stdout=output, stderr=output)
    end = time.monotonic() + 30
    while b"2  Credentials only" not in (tmp_path / "output").read_bytes() and time.monotonic() < end:
        time.sleep(0.05)
    assert len(list(folder.iterdir())) == 2  # the service's folder and the app's
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == ExitCode.INTERRUPTED
    assert (tmp_path / "output").read_text().endswith("roomkey: Interrupted.\n")
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "report.html").exists()


def test_without_the_auth_services_packages_one_sentence_says_what_to_install(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette", None)  # as if it were not installed
    done = home.call("demo")
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.count("\n") == 1
    assert 'needs the package starlette: pip install "roomkey[cli,server]"' in done.stderr


def test_the_service_account_flow_shows_its_eleven_steps_as_what_was_sent():
    code, text = played(ACCOUNT)
    assert code is ExitCode.OK
    rows = drawn(text.partition("or step 8")[0])
    numbered = [row for row in rows if re.match(r"\d+ ", row)]
    assert [int(row.split()[0]) for row in numbered] == list(range(1, 12))
    assert "POST /token-requests/~new" in numbered[0]
    key = re.search(r"key ([0-9a-f]{8})", numbered[2])
    assert key is not None
    assert f"key {key[1]}" in rows[rows.index(numbered[5]) + 1]  # the app shows what the page has shown
    assert "POST /oauth2/introspect" in numbered[7]
    assert "200 active" in numbered[8]
    assert "app reports: grants orders:read" in numbered[9]
    assert "✓ 3 calls answered 200" in text


def test_the_other_flows_say_who_acts_for_whom():
    code, text = played(CREDENTIALS, BOTH)
    assert code is ExitCode.OK
    assert "user bob, app kiosk: grants orders:read" in text
    assert "user alice, app counter: grants orders:read" in text
    assert "400 invalid_grant" in text
    assert "✓ the claims name both: the user alice, and counter, which acts" in text


def test_every_scene_tells_its_claims_and_its_numbers():
    code, text = played(CREDENTIALS, REVOKED)
    assert code is ExitCode.OK
    assert text.count("✓ 1 token request") == 2
    assert "✓ the API answered 401, then 200" in text
    assert re.search(r"1  Credentials only +2 +2 +1 +\d+ ms  ✓ held", text)
    assert re.search(r"app +→ API +GET /orders  key [0-9a-f]{8} +401 invalid_token", text)


def test_the_api_judges_one_token_in_three_ways_and_asks_no_more_than_each_of_them_needs():
    code, text = played(WAYS)
    assert code is ExitCode.OK
    asked = re.findall(r"✓ (.+?) +first +\d+\.\d ms, then +\d+ µs, questions to the desk: (\d)", text)
    assert asked == [("JWK handed over", "0"), ("JWKS published", "1"), ("desk asked", "1")]
    assert re.search(r"API +→ auth +GET /oauth2/jwks +200", text)
    assert re.search(r"API +→ auth +POST /oauth2/introspect +200", text)


def test_forged_keys_are_refused_alike_and_told_apart_in_the_log():
    code, text = played(FORGED)
    assert code is ExitCode.OK
    assert text.count("401 invalid_token ") == 8  # in the trace and in the log
    assert {"(algorithm_not_allowed).", "(bad_signature).", "(unknown_key)."} <= set(text.split())


def test_the_api_hears_of_a_revoked_key_by_the_list_of_the_auth_service():
    _, text = played(REVOKED)
    _, after = text.split("· auth service ends the app's keys")
    assert re.search(r"API +→ auth +GET /oauth2/deny-list +200", after)


def test_no_token_secret_or_password_is_shown_on_the_terminal_or_in_the_report():
    desk = Desk()
    reports = []
    code, text = played(*QUICK, desk=desk, report=lambda run: reports.append(document(run, version="0", when="today")))
    assert code is ExitCode.OK
    assert len(desk.relay.passed) >= 6  # tokens of each scene, and the session of the browser
    LeakDetector(desk.secret_values).assert_clean(text, *reports)
    assert not re.search(r"eyJ[\w-]{8,}|rk[a-z]{2}_[0-9A-Za-z]{12,}", text + reports[0])


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    _, text = played(*QUICK, width=width, terminal=True)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= width


def test_without_colour_no_colour_is_sent(home):
    assert "\x1b" not in home.run("inspect", stdin="x", NO_COLOR="1", FORCE_COLOR="").stderr


class LyingDesk(Desk):
    """Says that it is out of order, and works on."""

    def outage(self) -> None:
        pass


class DeadRelay(Relay):
    """Passes one token request on and no other."""

    def _arrived(self, request) -> None:
        if self.token_requests:
            self.outage(503)
        super()._arrived(request)


class StubbornDesk(Desk):
    """Ends no token."""

    def end_tokens(self, client_id: str) -> None:
        pass


class SecretiveRelay(Relay):
    """Passes nothing on that APIs ask."""

    def __init__(self) -> None:
        super().__init__()
        self.faulty = {"/oauth2/jwks", "/oauth2/introspect"}
        self.outage(503)


@pytest.mark.parametrize(
    ("step", "desk", "words"),
    [
        (REFRESH, Desk(DeadRelay()), "token requests for the next key  (wanted 1)"),
        (REVOKED, StubbornDesk(), "✗ the API answered 200"),
        (OUTAGE, LyingDesk(), "✗ once it was back, the next attempt brought the new key"),
        (WAYS, Desk(SecretiveRelay()), "✗ The step broke off: KeysUnavailable"),
        (ACCOUNT, Desk(SecretiveRelay()), "✗ 1 call answered 200  (wanted 3)"),
    ],
    ids=["refresh", "revoked", "outage", "ways", "account"],
)
def test_a_claim_that_is_not_so_fails_the_run(step, desk, words):
    code, text = played(step, desk=desk)
    assert code is ExitCode.FAILED
    assert words in text
    assert "✗ 0 of 1 scenes held" in text


def test_a_second_token_request_of_many_threads_fails_the_run():
    api = ProtectedAPI()
    api.answer_with(401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    code, text = played(THREADS, api=api)
    assert code is ExitCode.FAILED
    assert "✗ 2 token requests  (wanted 1)" in text


def test_an_api_that_takes_everything_fails_the_run():
    code, text = played(FORGED, api=ProtectedAPI())
    assert code is ExitCode.FAILED
    assert "✗ 0 forged keys refused with 401  (wanted 4)" in text
    assert "✗ 0 different reasons in the log  (wanted 3)" in text


def test_an_api_that_refuses_everything_fails_the_run():
    api = ProtectedAPI()
    api.reject_all = True
    code, text = played(CREDENTIALS, api=api)
    assert code is ExitCode.FAILED
    assert "✗ 0 calls answered 200  (wanted 2)" in text


def test_a_step_that_breaks_off_fails_the_run_and_the_others_go_on():
    class Broken(Desk):
        def account(self, *args, **named):
            raise LookupError("rkcs_a_secret_in_an_exception")

    code, text = played(BOTH, REVOKED, desk=Broken())
    assert code is ExitCode.FAILED
    assert text.count("✗ The step broke off: LookupError") == 2
    assert "rkcs_" not in text
    assert "✗ 0 of 2 scenes held" in text


def test_the_temporary_folders_are_gone_even_when_a_step_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code, _ = played(REVOKED, desk=StubbornDesk())
    assert code is ExitCode.FAILED
    assert list(tmp_path.iterdir()) == []
