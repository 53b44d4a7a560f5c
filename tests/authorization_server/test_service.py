import threading
from pathlib import Path

from sqlalchemy import insert

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.schema.audit import facts
from roomkey.authorization_server.service import Service, open_as_served, remember_issuer
from roomkey.authorization_server.settings import Settings


def issuer_of(data: Path, database: str) -> str:
    with open_as_served(Settings.at(data, database=database)) as opened:
        return opened.settings.issuer


def test_what_works_on_the_database_goes_by_the_last_name_that_it_was_served_under(
    tmp_path: Path, database_url: str
) -> None:
    assert issuer_of(tmp_path / "data", database_url) == "http://127.0.0.1:8400"
    for issuer in ("https://auth.example", "https://new.example"):
        with Service.open(Settings.at(tmp_path / "data", database=database_url, issuer=issuer)) as served:
            remember_issuer(served)
        assert issuer_of(tmp_path / "data", database_url) == issuer


def test_two_nodes_that_start_on_a_fresh_database_at_once_both_write_it_down(
    tmp_path: Path, postgresql_url: str
) -> None:
    with Service.open(Settings.at(tmp_path / "data", database=postgresql_url, issuer="https://auth.example")) as node:
        second = threading.Thread(target=remember_issuer, args=(node,))
        with node.unit_of_work(Actor.console()) as uow:
            uow.connection.execute(insert(facts).values(name="issuer", value="https://old.example"))
            second.start()
            second.join(0.5)
            assert second.is_alive()  # it waits for whoever was first
        second.join(10.0)
    assert issuer_of(tmp_path / "data", postgresql_url) == "https://auth.example"
