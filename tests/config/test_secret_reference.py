"""Secrets in roomkey.toml: a place to read them from, and never they themselves."""

import keyring
import keyring.backend
import pytest
from tests.support.leaks import LeakDetector

import roomkey

ORDERS = """
[credentials.orders]
source = "client_credentials"
token_endpoint = "https://auth.example/token"
client_id = "reports"
client_secret = {secret}
"""
SECRET = "hunter2-in-plain-text"


def secret_of(configuration):
    secret = configuration.source("orders").client_secret
    assert isinstance(secret, roomkey.Secret)
    return secret


def test_a_variable_is_read_when_it_is_needed_and_not_when_the_file_is(read, monkeypatch):
    monkeypatch.delenv("ORDERS_SECRET", raising=False)
    secret = secret_of(read(ORDERS.format(secret='{ env = "ORDERS_SECRET" }')))
    monkeypatch.setenv("ORDERS_SECRET", SECRET)
    assert secret.reveal() == SECRET
    assert secret.origin == "the environment variable ORDERS_SECRET"


def test_a_files_place_counts_from_the_configurations_folder(read, folder, tmp_path, monkeypatch):
    (folder / "keys").mkdir()
    (folder / "keys/orders").write_text(f"{SECRET}\n")
    secret = secret_of(read(ORDERS.format(secret='{ file = "keys/orders" }')))
    monkeypatch.chdir(tmp_path)
    assert secret.reveal() == SECRET


def test_a_files_place_may_be_absolute_or_in_the_home_folder(read, folder, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/orders").write_text(SECRET)
    for place in (tmp_path / "home/orders", "~/orders"):
        assert secret_of(read(ORDERS.format(secret=f'{{ file = "{place}" }}'))).reveal() == SECRET


def test_the_home_folder_of_no_one_is_rejected(problem):
    assert problem(ORDERS.format(secret='{ file = "~no-such-user/orders" }')) == (
        "[credentials.orders.client_secret] file begins with ~, but there is no home folder; write the whole path."
    )


class Cupboard(keyring.backend.KeyringBackend):
    """A backend of the keyring package that needs no desktop."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


@pytest.fixture
def cupboard():
    before = keyring.get_keyring()
    keyring.set_keyring(made := Cupboard())
    yield made
    keyring.set_keyring(before)


def test_the_systems_keyring_is_read_when_it_is_needed(read, cupboard):
    secret = secret_of(read(ORDERS.format(secret='{ keyring = "auth.example/tenant/reports" }')))
    with pytest.raises(roomkey.SecretUnavailable) as caught:
        secret.reveal()
    assert str(caught.value) == (
        "The system's keyring has nothing for auth.example/tenant/reports; "
        "store it: keyring set auth.example/tenant reports"
    )
    keyring.set_password("auth.example/tenant", "reports", SECRET)
    assert secret.reveal() == SECRET
    assert "keyring entry auth.example/tenant/reports" in secret.origin
    LeakDetector([SECRET]).assert_clean(secret)


def test_one_keyring_entry_makes_one_credential(read, cupboard):
    with read('[store]\nurl = "memory:"\n' + ORDERS.format(secret='{ keyring = "a/b" }')) as configuration:
        assert configuration.credential("orders") is configuration.credential("orders")


@pytest.mark.parametrize("place", ["reports", "/reports", "auth.example/"])
def test_a_keyring_entry_without_service_or_user_is_rejected(problem, place):
    assert "must name service and user" in problem(ORDERS.format(secret=f'{{ keyring = "{place}" }}'))


@pytest.mark.parametrize("written", [f'"{SECRET}"', f'["{SECRET}"]', "12345678", "true", '""'])
def test_a_secret_in_plain_text_is_rejected_and_not_repeated(problem, written):
    words = problem(ORDERS.format(secret=written))
    assert words == (
        "[credentials.orders] client_secret has its secret in plain text; move it into an environment variable or a "
        'file: client_secret = { env = "NAME" } or { file = "PATH" }.'
    )


@pytest.mark.parametrize("text", [ORDERS.format(secret=f'"{SECRET}"'), ORDERS.format(secret=f'"{SECRET}')])
def test_no_traceback_shows_a_secret_that_stands_in_the_file(read, text):
    with pytest.raises(roomkey.ConfigurationError) as caught:
        read(text)
    LeakDetector([SECRET]).assert_clean(caught.value)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{}", "client_secret must name one source"),
        ('{ env = "A", file = "b" }', "client_secret must name one source"),
        ("{ env = 1 }", "[credentials.orders.client_secret] env must be a string in quotes"),
        ('{ env = " " }', "[credentials.orders.client_secret] env must be a string in quotes"),
        ('{ environment = "A" }', "settings here are env, file, keyring"),
        ('{ fil = "A" }', 'fil is not known; did you mean "file"?'),
        (f'{{ value = "{SECRET}" }}', "settings here are env, file, keyring"),
    ],
)
def test_another_form_is_rejected_and_the_right_one_said(problem, written, words):
    text = problem(ORDERS.format(secret=written))
    assert words in text
    LeakDetector([SECRET]).assert_clean(text)
