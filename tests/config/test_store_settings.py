"""The [store] table: where tokens are kept, and what seals them."""

import secrets
from base64 import urlsafe_b64encode

import pytest

import roomkey
from roomkey.stores.sqlite import state_folder


def new_key() -> str:
    return urlsafe_b64encode(secrets.token_bytes(32)).decode()


def test_without_a_table_tokens_are_kept_in_the_users_state_folder(read):
    with read("") as configuration:
        assert str(state_folder() / "tokens.db") in configuration.store.name
    with read("[store]\n") as configuration:
        assert str(state_folder() / "tokens.db") in configuration.store.name
    assert not state_folder().exists()


def test_a_relative_path_counts_from_the_files_folder(read, folder, tmp_path, monkeypatch):
    configuration = read('[store]\nurl = "sqlite:///kept/tokens.db"\n')
    monkeypatch.chdir(tmp_path)
    with configuration:
        configuration.store.put("k", b"v", generation=0)
    assert (folder / "kept/tokens.db").stat().st_mode & 0o777 == 0o600


def test_a_path_may_be_absolute_or_in_the_home_folder(read, tmp_path):
    for url, path in (
        (f"sqlite:////{str(tmp_path).lstrip('/')}/t.db", tmp_path / "t.db"),
        ("sqlite:///~/t.db", tmp_path / "home/t.db"),
    ):
        with read(f'[store]\nurl = "{url}"\n') as configuration:
            assert str(path) in configuration.store.name


def test_memory_leaves_no_file(read, folder):
    with read('[store]\nurl = "memory:"\n') as configuration:
        assert isinstance(configuration.store, roomkey.MemoryStore)
    assert [path.name for path in folder.iterdir()] == ["roomkey.toml"]


@pytest.mark.parametrize("url", ["memory:", "sqlite:///tokens.db"])
@pytest.mark.parametrize("place", ["env", "file"])
def test_keys_come_from_where_the_file_says(read, folder, monkeypatch, url, place):
    keys = f"new:{new_key()},old:{new_key()}"
    monkeypatch.setenv("ROOMKEY_KEYS", keys)
    (folder / "the-keys").write_text(keys)
    (folder / "the-keys").chmod(0o600)
    where = {"env": "ROOMKEY_KEYS", "file": "the-keys"}[place]
    with read(f'[store]\nurl = "{url}"\nkeys = {{ {place} = "{where}" }}\n') as configuration:
        assert configuration.store.keyring.ids == ("new", "old")
    assert not list(folder.glob("*.key"))


def test_keys_that_cannot_be_read_are_reported_when_the_store_is_used_and_name_the_variable(read, monkeypatch):
    monkeypatch.delenv("ROOMKEY_KEYS", raising=False)
    configuration = read('[store]\nurl = "memory:"\nkeys = { env = "ROOMKEY_KEYS" }\n')
    with pytest.raises(roomkey.ConfigurationError, match="ROOMKEY_KEYS"):
        _ = configuration.store.keyring.ids
    monkeypatch.setenv("ROOMKEY_KEYS", "no key at all")
    with pytest.raises(roomkey.KeyringError, match="ROOMKEY_KEYS") as caught:
        _ = configuration.store.keyring.ids
    assert "no key at all" not in str(caught.value)


def test_a_key_file_that_others_may_read_is_rejected_by_name(read, folder):
    (folder / "the-keys").write_text(new_key())
    (folder / "the-keys").chmod(0o644)
    configuration = read('[store]\nurl = "memory:"\nkeys = { file = "the-keys" }\n')
    with pytest.raises(roomkey.KeyringError, match=r"the-keys may be used by others \(mode 0644\); run chmod 600"):
        _ = configuration.store


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('url = "redis://cache.example/0"', "names a redis store, which this version does not have"),
        (
            'url = "postgresql+psycopg://db.example/tokens"',
            "names a postgresql store, which this version does not",
        ),
        ('url = "sqlight:///t.db"', 'did you mean "sqlite"?'),
        ('url = "tokens.db"', "must be memory:, sqlite:///PATH"),
        ('url = "sqlite:tokens.db"', "must be memory:, sqlite:///PATH"),
        ('url = "sqlite:///"', "must be memory:, sqlite:///PATH"),
        ('url = "sqlite:///:memory:"', "must be memory:, sqlite:///PATH"),
        ('url = "sqlite:///t.db?mode=ro"', "must be memory:, sqlite:///PATH"),
        ('url = "sqlite:///~no-such-user/t.db"', "there is no home folder"),
        ("url = 1", "[store] url must be a string in quotes"),
        ('keys = { env = "ROOMKEY_KEYS" }', "[store] url is missing, but keys is given"),
        ('url = "memory:"\nkeys = "AAAA"', "[store] keys has its secret in plain text"),
        ('url = "memory:"\nkey = { env = "K" }', 'key is not known; did you mean "keys"?'),
    ],
)
def test_a_setting_that_cannot_be_used_is_rejected_and_the_right_one_said(problem, lines, words):
    text = problem(f"[store]\n{lines}\n")
    assert text.startswith("[store")
    assert words in text


def test_a_password_in_the_url_of_a_store_is_not_repeated(problem):
    for scheme in ("postgresql", "unknown"):
        assert "hunter2" not in problem(f'[store]\nurl = "{scheme}://me:hunter2@db.example/t"\n')
