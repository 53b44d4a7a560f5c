"""The file as a whole: what it is read into, what it is rejected for, and how long its manager lives."""

import itertools
import threading

import pytest
from tests.support.leaks import LeakDetector

import roomkey
from roomkey.config import load

TWO = """
[store]
url = "memory:"

[credentials.orders]
source = "client_credentials"
token_endpoint = "{endpoint}"
client_id = "reports"
client_secret = {{ env = "ORDERS_SECRET" }}
base_url = "https://orders.example/v1"
context = "acme"

[credentials.alice]
source = "password"
token_endpoint = "{endpoint}"
username = "alice"
password = {{ env = "PASSWORD" }}
"""


@pytest.fixture
def configuration(read, issuer, monkeypatch):
    monkeypatch.setenv("ORDERS_SECRET", issuer.client.client_secret)
    with read(TWO.format(endpoint=issuer.token_endpoint)) as made:
        yield made


def test_the_file_becomes_names_and_settings(configuration, folder):
    assert configuration.path == folder / "roomkey.toml"
    assert configuration.names == ("orders", "alice")
    assert (configuration.kind("orders"), configuration.kind("alice")) == ("client_credentials", "password")
    assert (configuration.base_url("orders"), configuration.base_url("alice")) == ("https://orders.example/v1", None)
    assert (configuration.context("orders"), configuration.context("alice")) == ("acme", "")
    assert repr(configuration) == f"Configuration({folder / 'roomkey.toml'}, credentials: orders, alice)"


def test_reading_the_file_reads_no_secret_and_asks_no_server(read, issuer, monkeypatch):
    for name in ("ORDERS_SECRET", "PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with read(TWO.format(endpoint=issuer.token_endpoint)) as made:
        made.credential("orders")
    assert issuer.token_requests == []


def test_a_credential_is_the_same_one_for_the_same_name_and_context(configuration):
    orders = configuration.credential("orders")
    assert configuration.credential("orders") is orders
    assert configuration.credential("orders", "acme") is orders
    assert configuration.credential("orders", "globex") is not orders
    assert configuration.credential("orders", "").status().context == ""
    assert (orders.name, orders.status().context) == ("orders", "acme")


def test_a_credential_gets_a_token(configuration, issuer):
    assert issuer.is_live(configuration.credential("orders").token().value)


def test_an_unknown_name_is_reported_with_the_nearest_or_with_all(configuration, folder):
    for name, shown, words in (
        ("ordrs", '"ordrs"', 'did you mean "orders"?'),
        ("something", '"something"', "configured: orders, alice."),
        ("an-opaque-token-in-the-wrong-place", "of that name", "configured: orders, alice."),
        ("\x1b[2J", "of that name", "configured: orders, alice."),
    ):
        for ask in (configuration.credential, configuration.source, configuration.base_url, configuration.kind):
            with pytest.raises(roomkey.ConfigurationError) as caught:
                ask(name)
            assert str(caught.value) == f"There is no credential {shown} in {folder / 'roomkey.toml'}; {words}"


def test_an_empty_file_has_no_credentials_and_says_how_to_add_one(read):
    with read("") as made:
        assert made.names == ()
        with pytest.raises(roomkey.ConfigurationError, match=r"add a table such as \[credentials.orders\]"):
            made.credential("orders")


def test_after_its_end_a_configuration_opens_anew(configuration):
    first = configuration.manager
    configuration.close()
    configuration.close()
    assert configuration.manager is not first
    assert configuration.credential("orders").token().value
    with pytest.raises(roomkey.TokenUnavailable, match="its token manager is closed"):
        first.credential(configuration.source("orders")).token()


async def closed_asynchronously(configuration):
    async with configuration as same:
        return same.credential("orders").token().value


def test_it_is_an_asynchronous_context_manager_too(configuration):
    import asyncio

    assert asyncio.run(closed_asynchronously(configuration))


def test_sixteen_threads_make_one_store_and_one_manager(configuration):
    barrier, found = threading.Barrier(16), []

    def ask() -> None:
        barrier.wait(10)
        found.append((configuration.store, configuration.manager))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 16
    assert len({(id(store), id(manager)) for store, manager in found}) == 1


# The file's form.


@pytest.mark.parametrize("text", ["\ufeff[store]\nurl = 'memory:'\n", "[store]\r\nurl = 'memory:'\r\n", "# ä\n"])
def test_a_file_as_other_editors_write_it_is_read(folder, text):
    (folder / "roomkey.toml").write_bytes(text.encode())
    assert load().names == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[store\n", "this is not valid TOML at line 1, column 7."),
        ("[store]\nurl = memory:\n", "this is not valid TOML at line 2, column 7."),
        ("a = 1\na = 2\n", "this is not valid TOML at line 2, column 6."),
        ("[credentials.a]\n[credentials.a]\n", "this is not valid TOML at line 2, column 15."),
        ("url = 'memory:", "this is not valid TOML at end of document."),
        ("a = " + "[" * 100_000, "this is not valid TOML in its nesting."),
    ],
)
def test_what_is_no_toml_is_reported_by_its_place_and_not_repeated(problem, text, words):
    assert problem(text) == words


def test_what_is_no_string_or_too_large_is_rejected(folder):
    file = folder / "roomkey.toml"
    for content, words in (
        (b"\xff\xfe[\x00s\x00", "the file is not UTF-8 text."),
        (b"# " + b"x" * 1_048_576, "the file is larger than 1 MiB, which is too large for a configuration."),
    ):
        file.write_bytes(content)
        with pytest.raises(roomkey.ConfigurationError) as caught:
            load()
        assert str(caught.value) == f"{file}: {words}"
    with file.open("wb") as sparse:
        sparse.truncate(1 << 40)  # a terabyte, of which one more than a mebibyte is read
    with pytest.raises(roomkey.ConfigurationError, match="larger than 1 MiB"):
        load()


def test_a_file_that_the_system_does_not_give_out_is_reported_with_its_reason(tmp_path):
    # Reading what a process has in memory at address 0 fails for root too, unlike a file of mode 0000.
    with pytest.raises(roomkey.ConfigurationError) as caught:
        load("/proc/self/mem")
    assert str(caught.value) == "/proc/self/mem: the file cannot be read: Input/output error."
    locked = tmp_path / "locked.toml"
    locked.touch(mode=0o000)
    try:
        locked.read_bytes()
    except PermissionError:
        with pytest.raises(roomkey.ConfigurationError, match="the file cannot be read: Permission denied"):
            load(locked)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[stor]\n", '[stor] is not known; did you mean "store"?'),
        ("[credential.orders]\n", '[credential] is not known; did you mean "credentials"?'),
        ("[tokens]\n", "[tokens] is not known; settings here are store, credentials, server."),
        ('client_secret = "hunter2"\n', "[client_secret] is not known; settings here are store, credentials, server."),
        ("store = 1\n", "[store] must be a table."),
        ("credentials = 'x'\n", "[credentials] must be a table."),
        ("[[credentials]]\n", "[credentials] must be a table."),
        ("[credentials]\norders = 1\n", "[credentials] orders must be a table; write [credentials.orders] and"),
        ('"a key\\nof two lines" = 1\n', "holds an invalid key; remove it."),
        ('[credentials."a b"]\n', "[credentials] has a name that is not 1 to 64 letters, digits, dots"),
        (f"[credentials.{'x' * 65}]\n", "[credentials] has a name that is not 1 to 64 letters, digits, dots"),
        ("[credentials.-x]\n", "[credentials] has a name that is not 1 to 64 letters, digits, dots"),
    ],
)
def test_what_is_unknown_is_rejected_with_the_nearest(problem, text, words):
    assert problem(text).startswith(words)


def test_a_base_url_must_be_one_that_may_get_a_token(problem):
    table = TWO.format(endpoint="https://auth.example/token")
    for url, words in (
        ("http://orders.example", "base_url is not https"),
        ("ftp://orders.example", "base_url is not an https:// URL"),
        ("https://me:pw-hunter2@orders.example", "base_url has a user name or password in it"),
        ("orders.example", "base_url is not an https:// URL"),
    ):
        text = problem(table.replace("https://orders.example/v1", url))
        assert text.startswith(f"[credentials.orders] {words}")
        assert "hunter2" not in text


LOGIN = '[credentials.{}]\nsource = "custom_login"\nurl = "https://api.example"\nauthenticated_by = "{}"\n'


def test_an_apps_credential_must_be_there(problem):
    assert problem(LOGIN.format("user", "app") + TWO.format(endpoint="https://auth.example")).endswith(
        "[credentials.user] authenticated_by names a credential that does not exist; add it."
    )
    assert 'did you mean "orders"?' in problem(LOGIN.format("user", "order") + TWO.format(endpoint="https://a.example"))


@pytest.mark.parametrize("chain", [("a", "a"), ("a", "b", "a"), ("a", "b", "c", "b")])
def test_credentials_that_wait_for_each_other_are_rejected(problem, chain):
    tables = {pair[0]: LOGIN.format(*pair) for pair in itertools.pairwise(chain)}
    words = problem("".join(tables.values()))
    assert "authenticated_by is a circle: " in words
    assert words.endswith("; let one sign in by itself.")


def test_only_a_custom_login_can_carry_another_credentials_token(problem):
    table = TWO.format(endpoint="https://auth.example") + 'authenticated_by = "orders"\n'
    assert "[credentials.alice] authenticated_by is not known" in problem(table)


def test_nothing_of_a_configuration_shows_a_secret(configuration, issuer):
    configuration.credential("orders").token()
    LeakDetector(issuer.secret_values).assert_clean(
        configuration, vars(configuration), configuration.source("orders"), configuration.store
    )
