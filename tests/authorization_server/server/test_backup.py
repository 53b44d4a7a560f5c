"""Backups: whole, private, never over something else; and they are written down."""

import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import select, text

from roomkey.authorization_server.actor import SERVICE, Actor, ActorKind
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.server.backup import back_up
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings

CONSOLE = Actor.console()


def test_a_backup_is_a_whole_database_that_a_service_starts_from(
    small_service: Service, tmp_path: Path
):  # auth service 55
    with small_service.unit_of_work(SERVICE) as uow:
        uow.connection.execute(text("INSERT INTO counters (name, value) VALUES ('mark', 7)"))
    file = tmp_path / "copies" / "roomkey-backup.db"
    file.parent.mkdir()
    old = os.umask(0)
    try:
        made = back_up(small_service, CONSOLE, file)
    finally:
        os.umask(old)
    assert (made.path, made.size) == (file, file.stat().st_size)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    data = small_service.settings.data
    with Service.open(Settings.at(data, database=f"sqlite:///{file}")) as restored, restored.look(SERVICE) as uow:
        assert uow.connection.scalar(text("SELECT value FROM counters WHERE name = 'mark'")) == 7
        assert restored.keys.load(uow).published == small_service.keys.load(uow).published
        last = uow.connection.execute(select(audit_events).order_by(audit_events.c.number.desc())).first()
    assert last is not None
    assert (last.action, last.actor) == ("database.backed_up", "console")


@pytest.mark.slow
@pytest.mark.slow
def test_a_backup_is_of_one_moment_while_others_write(small_service: Service, tmp_path: Path):
    with small_service.unit_of_work(SERVICE) as uow:
        uow.connection.execute(text("INSERT INTO counters (name, value) VALUES ('one', 0), ('two', 0)"))
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            with small_service.unit_of_work(SERVICE) as uow:
                uow.connection.execute(text("UPDATE counters SET value = value + 1 WHERE name IN ('one', 'two')"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            back_up(small_service, CONSOLE, tmp_path / f"{number}.db")
    finally:
        over.set()
        writer.join()
    for number in range(5):
        copy = sqlite3.connect(tmp_path / f"{number}.db")
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        one, two = copy.execute("SELECT value FROM counters WHERE name IN ('one', 'two')").fetchall()
        assert one == two
        copy.close()


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_a_backup_overwrites_nothing(small_service: Service, tmp_path: Path, kind: str):  # auth service 55
    file = tmp_path / "precious"
    {
        "file": lambda: file.write_text("precious"),
        "link": lambda: file.symlink_to(tmp_path / "nowhere"),
        "folder": file.mkdir,
    }[kind]()
    with pytest.raises(Conflict, match="overwrites nothing"):
        back_up(small_service, CONSOLE, file)
    assert kind != "file" or file.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_backup_that_cannot_be_written_leaves_nothing_behind(small_service: Service, tmp_path: Path):
    with pytest.raises(Invalid, match="cannot be written: No such file or directory"):
        back_up(small_service, CONSOLE, tmp_path / "missing" / "roomkey.db")
    assert not (tmp_path / "missing").exists()


def test_nobody_backs_up_who_may_not_change_settings(small_service: Service, tmp_path: Path):
    auditor = Actor(ActorKind.USER, "usr_1", "alice", frozenset({"auditor"}))
    with pytest.raises(NotAllowed):
        back_up(small_service, auditor, tmp_path / "roomkey.db")
    assert not (tmp_path / "roomkey.db").exists()


def test_postgresql_is_left_to_pg_dump(postgresql_url: str, tmp_path: Path):
    opened = Service.open(Settings.at(tmp_path / "data", database=postgresql_url))
    with opened as service, pytest.raises(Invalid, match="pg_dump"):
        back_up(service, CONSOLE, tmp_path / "roomkey.db")
