"""Where the service's settings come from, which of two wins, and what is refused in one sentence."""

from pathlib import Path

import pytest

from roomkey.authorization_server.settings_file import PREFIX, data_folder, read_settings
from roomkey.errors import ConfigurationError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ROOMKEY_CONFIG", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _file(folder: Path, text: str) -> None:
    (folder / "roomkey.toml").write_text(f"[server]\n{text}\n")


def test_without_any_setting_it_keeps_everything_in_the_users_data_folder(folder: Path, monkeypatch):
    settings = read_settings()
    assert settings.data == folder / ".local/share/roomkey"
    assert settings.database == f"sqlite:///{settings.data / 'roomkey.db'}"
    assert (settings.issuer, settings.host, settings.port) == ("http://127.0.0.1:8400", "127.0.0.1", 8400)
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "xdg"))
    assert data_folder() == folder / "xdg" / "roomkey"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert data_folder() == folder / ".local/share/roomkey"


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(folder: Path, monkeypatch):
    _file(folder, 'issuer = "https://file.example"\nlisten = "127.0.0.1:1"\nrefresh_grace = 10')
    monkeypatch.setenv(f"{PREFIX}ISSUER", "https://environment.example")
    monkeypatch.setenv(f"{PREFIX}LISTEN", "127.0.0.1:2")
    settings = read_settings(issuer="https://line.example")
    assert settings.issuer == "https://line.example"
    assert settings.port == 2
    assert settings.refresh_grace == 10


def test_paths_of_the_file_begin_at_the_file(folder: Path, monkeypatch):
    _file(folder, 'data = "service"\ndatabase = "sqlite:///one.db"')
    (folder / "elsewhere").mkdir()
    monkeypatch.setenv("ROOMKEY_CONFIG", str(folder / "roomkey.toml"))
    monkeypatch.chdir(folder / "elsewhere")
    settings = read_settings()
    assert settings.data == folder / "service"
    assert settings.database == f"sqlite:///{folder / 'one.db'}"


def test_a_database_with_a_password_stands_in_the_environment_or_a_file_and_shows_nowhere(folder: Path, monkeypatch):
    url = "postgresql://roomkey:hunter2@db.example/roomkey"
    monkeypatch.setenv("DATABASE", url)
    _file(folder, 'database = { env = "DATABASE" }')
    assert read_settings().database == url
    assert "hunter2" not in repr(read_settings())
    (folder / "url").write_text(url + "\n")
    _file(folder, 'database = { file = "url" }')
    assert read_settings().database == url
    _file(folder, f'database = "{url}"')
    with pytest.raises(ConfigurationError, match=r"roomkey.toml: \[server\] database has its password") as refused:
        read_settings()
    assert "hunter2" not in str(refused.value)
    (folder / "roomkey.toml").unlink()
    monkeypatch.setenv(f"{PREFIX}DATABASE", url)
    assert read_settings().database == url


def test_lists_flags_and_secrets_come_from_the_environment_too(folder: Path, monkeypatch):
    monkeypatch.setenv(f"{PREFIX}TRUSTED_PROXIES", "10.0.0.7, 10.1.0.0/16")
    monkeypatch.setenv(f"{PREFIX}ACCESS_LOG", "false")
    monkeypatch.setenv(f"{PREFIX}METRICS_TOKEN", "hunter2")
    settings = read_settings()
    assert settings.trusted_proxies == ("10.0.0.7", "10.1.0.0/16")
    assert settings.access_log is False
    assert settings.metrics_token is not None
    assert settings.metrics_token.reveal() == "hunter2"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('isuer = "https://a.example"', r'\[server\] isuer is not known; did you mean "issuer"\?'),
        ("issuer = 1", r"\[server\] issuer must be a string"),
        ('issuer = "http://a.example"', r"\[server\] issuer is not https"),
        ('issuer = "https://a.example/"', r"\[server\] issuer has a path, a slash at its end or a query"),
        ('issuer = "https://a.example?x=1"', r"\[server\] issuer has a path, a slash at its end or a query"),
        ('issuer = "https://user:hunter2@a.example"', r"\[server\] issuer has a user name or password"),
        ('listen = "8400"', r"\[server\] listen must be HOST:PORT"),
        ('listen = "127.0.0.1:99999"', r"\[server\] listen must be HOST:PORT"),
        ('listen = "0.0.0.0:8400"', r"\[server\] listen can be reached by other machines"),
        ("refresh_grace = 301", r"\[server\] refresh_grace must be at most 300 seconds"),
        ("refresh_grace = 1.5", r"\[server\] refresh_grace must be a whole number"),
        ("refresh_grace = 0", r"\[server\] refresh_grace must be a number above 0"),
        ("access_token_lifetime = 7200", r"access_token_lifetime must not be longer than longest_access_token"),
        ("session_absolute = 60", r"\[server\] session_absolute does not fit: session_idle must not be longer"),
        ('access_log = "yes"', r"\[server\] access_log must be true or false"),
        ('log_format = "xml"', r"\[server\] log_format must be one of logfmt, json"),
        ('trusted_proxies = ["*"]', r"\[server\] trusted_proxies must be a list of addresses"),
        ('metrics_token = "hunter2"', r"\[server\] metrics_token has its secret in plain text"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_with_its_place(folder: Path, text: str, words: str):
    _file(folder, text)
    with pytest.raises(ConfigurationError, match=words) as refused:
        read_settings()
    assert str(refused.value).startswith(str(folder / "roomkey.toml"))
    assert "hunter2" not in str(refused.value)
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ISUER", "x", r'The environment variable ROOMKEY_SERVER_ISUER is no setting .* did you mean "ISSUER"\?'),
        ("issuer", "x", "The environment variable ROOMKEY_SERVER_issuer is no setting"),
        ("REFRESH_GRACE", "1m", "ROOMKEY_SERVER_REFRESH_GRACE must be a whole number of seconds above 0"),
        ("REFRESH_GRACE", "9999", "ROOMKEY_SERVER_REFRESH_GRACE must be at most 300 seconds"),
        ("ACCESS_LOG", "1", "ROOMKEY_SERVER_ACCESS_LOG must be true or false"),
        ("ISSUER", "http://a.example", "ROOMKEY_SERVER_ISSUER is not https"),
    ],
)
def test_what_is_wrong_in_the_environment_is_told_with_its_name(folder: Path, monkeypatch, name, value, words):
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(ConfigurationError, match=words):
        read_settings()


def test_what_kubernetes_tells_every_pod_of_a_service_of_that_name_is_no_setting(folder: Path, monkeypatch):
    monkeypatch.setenv("ROOMKEY_SERVER_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("ROOMKEY_SERVER_PORT", "tcp://10.0.0.1:8400")
    monkeypatch.setenv("ROOMKEY_SERVER_PORT_8400_TCP_ADDR", "10.0.0.1")
    assert read_settings().port == 8400


def test_an_address_of_ipv6_is_written_in_brackets(folder: Path):
    settings = read_settings(listen="[::1]:8401")
    assert (settings.host, settings.port, settings.issuer) == ("::1", 8401, "http://[::1]:8401")


def test_the_table_is_left_alone_by_whoever_reads_credentials(folder: Path):
    from roomkey.config import load

    _file(folder, 'issuer = "https://a.example"')
    assert load().names == ()
