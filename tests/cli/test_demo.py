"""The demo itself, and that it notices when one of its claims is not so."""

import io
import re
import tempfile
import time
from pathlib import Path

import pytest
from rich.console import Console

from roomkey.cli.demo.play import play
from roomkey.cli.demo.steps import STEPS
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.look import themed
from roomkey.testing import Issuer, LeakDetector, ProtectedAPI

FIRST, THREADS, REFRESH, REVOKED, OUTAGE, WAYS, FORGED = STEPS


def played(*steps, width=80, terminal=False, issuer=None, api=None):
    target = io.StringIO()
    color = "truecolor" if terminal else None
    console = themed(Console(file=target, width=width, force_terminal=terminal, color_system=color, markup=False))
    return play(console, steps=steps, issuer=issuer, api=api), target.getvalue()


def test_the_demo_ends_by_itself_with_code_0_and_leaves_no_file(home, tmp_path: Path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    begun = time.monotonic()
    done = home.run("demo", TMPDIR=str(folder))
    assert time.monotonic() - begun < 20
    assert done.returncode == 0, done.stdout
    assert done.stderr == ""
    assert "7 of 7 steps held" in done.stdout
    assert "\x1b" not in done.stdout
    assert list(folder.iterdir()) == []
    assert sorted(path.name for path in home.folder.iterdir()) == ["roomkey.toml"]


def test_every_step_tells_its_claims_and_its_numbers():
    code, text = played(FIRST, REVOKED)
    assert code is ExitCode.OK
    assert text.count("✓ 1 token request") == 2
    assert "✓ the API answered 401, then 200" in text
    assert re.search(r"1  First call +2 +2 +1 +\d+ ms  ✓ held", text)
    assert re.search(r"client → api +GET /orders  key [0-9a-f]{8} +401 invalid_token", text)


def test_the_api_judges_one_token_in_three_ways_and_asks_no_more_than_each_of_them_needs():
    code, text = played(WAYS)
    assert code is ExitCode.OK
    asked = re.findall(r"✓ (.+?) +first +\d+\.\d ms, then +\d+ µs, questions to the issuer: (\d)", text)
    assert asked == [("JWK handed over", "0"), ("JWKS published", "1"), ("desk asked", "1")]
    assert re.search(r"api +→ issuer +GET /oauth2/jwks +200", text)
    assert re.search(r"api +→ issuer +POST /oauth2/introspect +200", text)


def test_forged_keys_are_refused_alike_and_told_apart_in_the_log():
    code, text = played(FORGED)
    assert code is ExitCode.OK
    assert text.count("401 invalid_token ") == 8  # in the trace and in the log
    assert {"(algorithm_not_allowed).", "(bad_signature).", "(unknown_key)."} <= set(text.split())


def test_the_api_hears_of_a_revoked_key_by_the_issuers_list():
    _, text = played(REVOKED)
    _, after = text.split("· the issuer revokes every key")
    assert re.search(r"api +→ issuer +GET /oauth2/status-list +200", after)


def test_no_token_and_no_secret_is_shown():
    issuer = Issuer(lifetime=300)
    _, text = played(FIRST, REVOKED, WAYS, FORGED, issuer=issuer)
    LeakDetector(issuer.secret_values).assert_clean(text)


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    _, text = played(FIRST, REVOKED, WAYS, FORGED, width=width, terminal=True)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= width


def test_without_colour_no_colour_is_sent(home):
    assert "\x1b" not in home.run("inspect", stdin="x", NO_COLOR="1", FORCE_COLOR="").stderr


class LyingIssuer(Issuer):
    """Says that it is out of order, and works on."""

    def outage(self, status: int = 503, retry_after: float | str | None = None) -> None:
        del status, retry_after


class ForgetfulIssuer(Issuer):
    """Forgets the first key as soon as it was given out, so that the API refuses it."""

    def token_members(self, *args, **settings):
        self.status_claims = True  # so that the API hears of it
        members = super().token_members(*args, **settings)
        if len(self.token_requests) == 1:
            self.revoke_all()
        return members


class DeadIssuer(Issuer):
    """Answers one token request and no other."""

    def _arrived(self, request) -> None:
        if self.token_requests:
            super().outage(503)
        super()._arrived(request)


class StubbornIssuer(Issuer):
    """Revokes nothing."""

    def revoke_all(self) -> None:
        pass


class SecretiveIssuer(Issuer):
    """Has its keys and its books out of order for APIs."""

    def __init__(self, **settings) -> None:
        super().__init__(**settings)
        self.faulty = {"keys", "introspection"}
        self.outage(503)


@pytest.mark.parametrize(
    ("step", "issuer", "words"),
    [
        (THREADS, ForgetfulIssuer(delay=0.01), "wanted 1"),
        (REFRESH, DeadIssuer(), "calls failed  (this is not so)"),
        (REVOKED, StubbornIssuer(), "✗ the API answered 200"),
        (OUTAGE, LyingIssuer(delay=0.01), "✗ once it was back, the next attempt brought the new key"),
        (WAYS, SecretiveIssuer(), "✗ The step broke off: KeysUnavailable"),
    ],
    ids=["threads", "refresh", "revoked", "outage", "ways"],
)
def test_a_claim_that_is_not_so_fails_the_run(step, issuer, words):
    code, text = played(step, issuer=issuer)
    assert code is ExitCode.FAILED
    assert words in text
    assert "✗ 0 of 1 steps held" in text


def test_an_api_that_takes_everything_fails_the_run():
    code, text = played(FORGED, api=ProtectedAPI())
    assert code is ExitCode.FAILED
    assert "✗ 0 forged keys refused with 401  (wanted 4)" in text
    assert "✗ 0 different reasons in the log  (wanted 3)" in text


def test_an_api_that_refuses_everything_fails_the_run():
    issuer = Issuer(lifetime=300)
    api = ProtectedAPI(issuer)
    api.reject_all = True
    code, text = played(FIRST, issuer=issuer, api=api)
    assert code is ExitCode.FAILED
    assert "✗ 0 calls answered 200  (wanted 2)" in text


def test_a_step_that_breaks_off_fails_the_run_and_the_others_go_on():
    class Broken(ProtectedAPI):
        @property
        def url(self) -> str:
            return "not an address"

    issuer = Issuer(lifetime=300)
    code, text = played(FIRST, REVOKED, issuer=issuer, api=Broken(issuer))
    assert code is ExitCode.FAILED
    assert text.count("The step broke off") + text.count("0 calls answered 200") >= 1
    assert "✗ 0 of 2 steps held" in text


def test_the_temporary_folder_is_gone_even_when_a_step_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    played(REVOKED, issuer=StubbornIssuer())
    assert list(tmp_path.iterdir()) == []
