"""The encryption key is rotated while the service runs; a value decrypts in its own row and column only."""

from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, insert, select, update
from tests.authorization_server.sample_tokens import CONSOLE, add_api, issue, issue_app_token

from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.column_encryption import (
    ENCRYPTED_COLUMNS,
    NOTICE,
    PRIVATE_KEY,
    TOTP_PENDING,
    TOTP_SEED,
    EncryptedColumn,
)
from roomkey.authorization_server.errors import Conflict, DatabaseUnsuitable, NotAllowed
from roomkey.authorization_server.keys.reencrypt import reencrypt_all, reencrypt_batch, rotate_encryption_key
from roomkey.authorization_server.keys.rotation import rotate
from roomkey.authorization_server.keys.signer import new_shared_secret
from roomkey.authorization_server.schema import metadata
from roomkey.authorization_server.schema.identity import sessions, users
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.errors import KeyringError
from roomkey.stores.keyring import Keyring
from roomkey.testing import FakeClock

SEED = b"JBSWY3DPEHPK3PXP-a-totp-seed"


def fill(service: Service, *, people: int = 1) -> None:
    """Write a value into every encrypted column."""
    add_api(service, algorithm="HS256")
    with service.unit_of_work(CONSOLE) as uow:
        new_shared_secret(uow, "orders-api")
        for number in range(people):
            user, session = f"u{number:04}", f"s{number:04}"
            row = {"id": user, "username": user, "username_key": user, "created_at": uow.now}
            seeds = {column.name: column.encrypt(uow.keyring, SEED, row=user) for column in (TOTP_SEED, TOTP_PENDING)}
            uow.connection.execute(insert(users).values(**row, **seeds))
            uow.connection.execute(
                insert(sessions).values(
                    digest=session.encode(),
                    id=session,
                    stage="full",
                    notice=NOTICE.encrypt(uow.keyring, b"shown once", row=session),
                    created_at=uow.now,
                    last_seen_at=uow.now,
                    expires_at=uow.now + 60,
                )
            )


def outdated(service: Service) -> dict[str, int]:
    """Return the number of values of each column that an older key has encrypted."""
    count = {}
    with service.look(CONSOLE) as uow:
        for column in ENCRYPTED_COLUMNS:
            rows = uow.connection.execute(select(column.key, column.column).where(column.column.is_not(None))).all()
            assert rows, f"nothing in {column.table.name}.{column.name}: the test says nothing of it"
            count[f"{column.table.name}.{column.name}"] = sum(
                not column.is_current(uow.keyring, value, row=name) for name, value in rows
            )
    return count


def test_every_column_of_bytes_is_a_digest_or_public_or_encrypted() -> None:
    # auth service 53
    open_ones = {
        "digest", "hash", "previous", "successor",  # SHA-256
        "answer",  # sealed under a key that follows from the token
        "credential_id", "public_key", "challenge",  # of passkeys; public
    }  # fmt: skip
    sealed = {(column.table.name, column.name) for column in ENCRYPTED_COLUMNS}
    found = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.name not in open_ones
    }
    assert found == sealed


def test_a_new_key_re_encrypts_every_value(service: Service) -> None:
    # auth service 53
    fill(service)
    before = issue(service)
    old = service.keyring.ids[0]
    if service.database.file is None:
        with pytest.raises(Conflict, match="Other nodes"):
            rotate_encryption_key(service, CONSOLE)
        assert service.keyring.ids == (old,)
    done = rotate_encryption_key(service, CONSOLE, only_node=True)
    assert done.key_id == service.keyring.ids[0] != old
    assert done.rewrapped == 6
    assert set(outdated(service).values()) == {0}
    assert rotate_encryption_key(service, CONSOLE, only_node=True).rewrapped == 6
    data = service.settings.data
    service.close()
    key_file = data / "roomkey.key"
    lines = [line for line in key_file.read_text().splitlines() if done.key_id not in line and old not in line]
    key_file.write_text("\n".join(lines) + "\n")  # the old ones are needed no longer
    with Service.open(service.settings, clock=service.clock) as again, again.look(CONSOLE) as uow:
        again.keys.load(uow)
        assert issue(again).grant == before.grant


def test_a_re_encryption_that_was_stopped_continues(service: Service) -> None:
    # auth service 53
    fill(service, people=7)
    service.keyring.rotate()
    with service.unit_of_work(CONSOLE) as uow:
        step = reencrypt_batch(uow, TOTP_SEED, after="", limit=3)
    assert (step.rewrapped, step.after) == (3, "u0002")
    assert outdated(service)["users.totp_seed"] == 4  # and here the process was killed
    assert reencrypt_all(service, CONSOLE).rewrapped == 4 + 2 * 7 + 3
    assert set(outdated(service).values()) == {0}
    assert reencrypt_all(service, CONSOLE).rewrapped == 0
    with service.look(CONSOLE) as uow:
        for user, seed in uow.connection.execute(select(users.c.id, users.c.totp_seed)):
            assert TOTP_SEED.decrypt(uow.keyring, seed, row=user) == SEED


def test_what_another_node_writes_meanwhile_stays(
    postgresql_url: str, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    decrypt = EncryptedColumn.decrypt
    with Service.open(Settings.at(tmp_path, database=postgresql_url), clock=clock) as service:
        fill(service)

        def meanwhile(column: EncryptedColumn, keyring: Keyring, value: bytes, *, row: str) -> bytes:
            with service.unit_of_work(CONSOLE) as uow:
                newer = TOTP_SEED.encrypt(uow.keyring, b"newer", row=row)
                uow.connection.execute(update(users).values(totp_seed=newer))
            return decrypt(column, keyring, value, row=row)

        service.keyring.rotate()
        with monkeypatch.context() as patch, service.unit_of_work(CONSOLE) as uow:
            patch.setattr(EncryptedColumn, "decrypt", meanwhile)
            assert reencrypt_batch(uow, TOTP_SEED, after="").rewrapped == 0
        with service.look(CONSOLE) as uow:
            seed = uow.connection.scalar(select(users.c.totp_seed))
            assert TOTP_SEED.decrypt(uow.keyring, seed, row="u0000") == b"newer"


@pytest.mark.slow
def test_a_batch_may_be_smaller_than_what_there_is(service: Service) -> None:
    fill(service, people=205)
    service.keyring.rotate()
    assert reencrypt_all(service, CONSOLE).rewrapped == 3 * 205 + 3
    assert set(outdated(service).values()) == {0}


def test_an_encrypted_value_decrypts_in_its_own_row_and_column_only(service: Service) -> None:
    # auth service 53
    fill(service, people=2)
    with service.unit_of_work(CONSOLE) as uow:
        seed = uow.connection.scalar(select(users.c.totp_seed).where(users.c.id == "u0000"))
        assert TOTP_SEED.decrypt(uow.keyring, seed, row="u0000") == SEED
        elsewhere = EncryptedColumn(users, "totp_seed", "id", "another purpose")
        for column, row in (
            (TOTP_SEED, "u0001"),
            (TOTP_PENDING, "u0000"),
            (NOTICE, "u0000"),
            (PRIVATE_KEY, "u0000"),
            (elsewhere, "u0000"),
        ):
            with pytest.raises(DatabaseUnsuitable):
                column.decrypt(uow.keyring, seed, row=row)
        rotate(uow, now=True)
    with service.unit_of_work(CONSOLE) as uow:
        kids = uow.connection.scalars(select(signing_keys.c.kid).order_by(signing_keys.c.state)).all()
        stolen = uow.connection.scalar(select(signing_keys.c.private_key).where(signing_keys.c.kid == kids[0]))
        uow.connection.execute(update(signing_keys).where(signing_keys.c.kid == kids[1]).values(private_key=stolen))
        uow.bump_config_version()
    with service.look(CONSOLE) as uow, pytest.raises(DatabaseUnsuitable, match=kids[1]):
        service.keys.load(uow)
    service.keyring.rotate()
    with pytest.raises(DatabaseUnsuitable):  # and a re-wrap launders nothing
        reencrypt_all(service, CONSOLE)


def test_with_other_keys_the_service_does_not_start_and_makes_none(tmp_path: Path, clock: FakeClock) -> None:
    # auth service 53
    settings = Settings.at(tmp_path / "data")
    with Service.open(settings, clock=clock):
        pass
    key_file, kept = settings.data / "roomkey.key", (settings.data / "roomkey.key").read_bytes()

    def rows() -> list[object]:
        with Service.open(settings, clock=clock) as service, service.look(CONSOLE) as uow:
            return list(uow.connection.execute(select(signing_keys)).all())

    before = rows()
    with pytest.raises(DatabaseUnsuitable, match="restore the right key file"):
        Service.open(settings, clock=clock, keyring=Keyring.generate())
    key_file.unlink()
    with pytest.raises(DatabaseUnsuitable, match=r"roomkey\.key is missing"):
        Service.open(settings, clock=clock)
    assert not key_file.exists()
    key_file.write_bytes(b"")
    key_file.chmod(0o600)
    with pytest.raises(KeyringError):
        Service.open(settings, clock=clock)
    assert key_file.read_bytes() == b""
    key_file.write_bytes(kept)
    assert rows() == before


def test_only_administrators_of_the_whole_service_rotate_the_encryption_key(service: Service) -> None:
    before = service.keyring.ids
    for actor in (
        Actor(ActorKind.USER, "u1", roles=frozenset({"developer"})),
        Actor(ActorKind.USER, "u2", roles=frozenset({"administrator"}), tenant="acme"),
    ):
        with pytest.raises(NotAllowed):
            rotate_encryption_key(service, actor)
    assert service.keyring.ids == before


@pytest.mark.slow
def test_the_database_holds_no_key_secret_or_token(small_service: Service) -> None:
    # auth service 54
    service = small_service
    fill(service)
    account_secret = add_api(service, "stock-api", algorithm="RS256").client_secret.value
    with service.unit_of_work(CONSOLE) as uow:
        shared = new_shared_secret(uow, "orders-api").reveal()
        private = [
            PRIVATE_KEY.decrypt(uow.keyring, value, row=kid)
            for kid, value in uow.connection.execute(select(signing_keys.c.kid, signing_keys.c.private_key))
        ]
    tokens = [issue(service, "stock-api").value, issue_app_token(service, "stock-api").token.reveal()]
    service.close()
    dump = b"".join(path.read_bytes() for path in sorted(service.settings.data.glob("roomkey.db*")))
    assert b"orders-api" in dump
    secrets = [account_secret.encode(), shared.encode(), SEED, *(token.encode() for token in tokens)]
    secrets += [token.rpartition(".")[2].encode() for token in tokens]
    secrets += [der[start : start + 16] for der in private for start in range(0, len(der) - 16, 8)]
    key = (service.settings.data / "roomkey.key").read_bytes().split(b":")[-1].strip()
    for secret in [*secrets, key]:
        assert secret not in dump
