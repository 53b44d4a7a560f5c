"""``roomkey serve``, the real command: a fresh machine, a second start, and everything that it refuses."""

import json
import re
import signal
import socket
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest
from tests.authorization_server.server.conftest import COMMAND

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.identity import setup_links
from roomkey.authorization_server.schema.identity import user_roles, users
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings

pytestmark = pytest.mark.slow


def _refused(folder: Path, *options: str, **environment: str) -> str:
    done = subprocess.run(
        [*COMMAND, "serve", *options],
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
    return done.stderr.removeprefix("roomkey: ").strip()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_fresh_machine_gets_its_folder_database_and_keys_and_nobody_else_may_read_them(start, tmp_path: Path):
    serving = start()
    data = tmp_path / "data"
    assert _mode(data) == 0o700
    files = {path.name: _mode(path) for path in data.iterdir()}
    assert {"roomkey.db", "roomkey.key"} <= files.keys()
    assert set(files.values()) == {0o600}  # auth service 55
    assert f"http://127.0.0.1:{serving.port}" in serving.out
    assert serving.get("/health")[2] == b'{"status":"ready"}'
    database = sqlite3.connect(data / "roomkey.db")
    assert database.execute("SELECT algorithm, state FROM signing_keys").fetchall() == [("ES256", "signing")]
    database.close()
    serving.signal(signal.SIGTERM)
    assert serving.ended() == 0


def test_a_second_start_finds_what_the_first_has_made(start, tmp_path: Path):
    first = start()
    first.signal(signal.SIGTERM)
    assert first.ended() == 0
    key = (tmp_path / "data" / "roomkey.key").read_bytes()
    start()
    assert (tmp_path / "data" / "roomkey.key").read_bytes() == key
    database = sqlite3.connect(tmp_path / "data" / "roomkey.db")
    assert database.execute("SELECT count(*) FROM signing_keys").fetchone() == (1,)
    database.close()


def test_as_long_as_there_is_no_administrator_each_start_prints_a_link_that_makes_one(start, tmp_path: Path):
    link = re.compile(r"^ *(http://127\.0\.0\.1:[0-9]+/setup\?token=(rksu_[0-9A-Za-z]+))$", re.MULTILINE)
    tokens = []
    for _ in range(2):
        serving = start()
        (found,) = link.findall(serving.out)
        tokens.append(found[1])
        serving.signal(signal.SIGTERM)
        assert serving.ended() == 0
        assert "rksu_" not in serving.err
    assert tokens[0] != tokens[1]
    with Service.open(Settings.at(tmp_path / "data")) as service, service.unit_of_work(SERVICE) as uow:
        assert [setup_links.is_valid(uow, token) for token in tokens] == [False, True]
        uow.connection.execute(users.insert().values(id="u", username="a", username_key="a", created_at=0))
        uow.connection.execute(user_roles.insert().values(user_id="u", role="administrator"))
    serving = start()
    assert "/setup" not in serving.out


def test_its_log_is_logfmt_or_json_and_can_be_left_out(start):
    plain = start(ROOMKEY_SERVER_LOG_FORMAT="logfmt")
    plain.get("/health?token=hunter2")
    plain.get("/health")  # the line of the one before is written by now
    line = plain.err.splitlines()[-2]
    assert "event=request" in line
    assert "route=/health status=200" in line
    assert "hunter2" not in plain.err
    silent = start(ROOMKEY_SERVER_ACCESS_LOG="false")
    silent.get("/health")
    assert silent.log() == []


def test_a_port_that_is_taken_is_told_in_one_sentence_and_nothing_is_made(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        words = _refused(tmp_path, "--data", "data", "--listen", f"127.0.0.1:{port}")
    assert words.startswith(f"Port {port} of 127.0.0.1 is taken")
    assert not (tmp_path / "data").exists()


def test_an_issuer_that_others_reach_must_be_https(tmp_path: Path):
    assert "--issuer is not https" in _refused(tmp_path, "--issuer", "http://auth.example")
    assert "with --issuer https://" in _refused(tmp_path, "--listen", "0.0.0.0:0")
    words = _refused(tmp_path, "--listen", "0.0.0.0:0", "--issuer", "http://127.0.0.1:8400")
    assert "with --issuer https://" in words


def test_a_password_on_the_command_line_is_refused_and_not_repeated(tmp_path: Path):
    words = _refused(tmp_path, "--database", "postgresql://roomkey:hunter2@db.example/roomkey")
    assert "ROOMKEY_SERVER_DATABASE" in words
    assert "hunter2" not in words


def test_a_database_that_cannot_be_had_is_told_in_one_sentence(tmp_path: Path):
    done = subprocess.run(
        [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--database", "postgresql://roomkey@127.0.0.1:1/roomkey"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 5
    assert done.stderr.startswith("roomkey: The database cannot be used now: ")
    assert "Traceback" not in done.stderr


def test_check_looks_and_makes_nothing(tmp_path: Path):
    done = subprocess.run(
        [*COMMAND, "serve", "--data", "data", "--check", "--json"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert [each["id"] for each in told["findings"]] == ["RK101"]
    assert told["database_seen"] is False
    assert list(tmp_path.iterdir()) == []
    fine = subprocess.run(
        [*COMMAND, "serve", "--data", "data", "--check", "--issuer", "https://auth.example"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert fine.returncode == 0
    assert "Nothing is wrong." in fine.stdout
