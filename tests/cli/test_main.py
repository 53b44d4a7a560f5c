"""The command as a process: its arguments, its streams, its signals and how it ends."""

import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

import roomkey
from roomkey.cli.exit_code import ExitCode

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs/reference/command-line.md").read_text()
CONFIGURATION = (Path(__file__).parents[2] / "docs/how-to/configuration-file.md").read_text()
COMMAND = (sys.executable, "-c", "import sys; from roomkey.cli.main import main; sys.exit(main())")
COMMANDS = ("token", "call", "status", "inspect", "store")


def test_the_installed_command_is_this_one(home):
    command = shutil.which("roomkey", path=sysconfig.get_path("scripts"))
    assert command is not None
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True, env=home.environment)
    assert done.stdout == f"roomkey {roomkey.__version__}\n"


def test_without_a_command_the_help_is_shown(home):
    assert home.call().stdout == home.call("--help").stdout
    assert home.call().returncode == 0


def test_help_names_every_command_every_exit_code_and_where_the_file_is(home):
    text = home.call("--help").stdout
    for command in COMMANDS:
        assert re.search(rf"^  {command} +[A-Z]", text, re.MULTILINE)
    for code in ExitCode:
        assert re.search(rf"^ +{code.value} +{re.escape(code.meaning)}$", text, re.MULTILINE)
    assert "$ROOMKEY_CONFIG" in text


def test_the_page_tells_the_same_exit_codes_and_commands():
    assert {int(code): words for code, words in re.findall(r"^\| (\d+) \| (.+?) \|$", PAGE, re.MULTILINE)} == {
        code.value: code.meaning for code in ExitCode
    }
    for command in COMMANDS:
        assert f"`roomkey {command}" in PAGE


def test_the_pages_roomkey_toml_is_one(home, tmp_path):
    first, pair, login = re.findall(r"```toml\n(.*?)```", CONFIGURATION, re.DOTALL)
    home.file.write_text(first + login)
    done = home.call("status", "--json", ROOMKEY_KEYS=secrets.token_urlsafe(32))
    assert [each["kind"] for each in json.loads(done.stdout)["credentials"]] == ["client_credentials", "custom_login"]
    home.file.write_text(first.replace('client_secret = { env = "ORDERS_SECRET" }\n', pair))
    assert roomkey.load(home.file).source("orders").authentication.key_id == "2026-11"


@pytest.mark.parametrize("command", ["token", "call", "status", "inspect", "store", "store clear"])
def test_every_command_explains_itself_without_a_configuration(home, command):
    home.file.unlink()
    done = home.call(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: roomkey {command} ")
    assert "..." not in done.stdout.partition("Commands:")[2]
    assert "<str>" not in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words", "step"),
    [
        (["tokn"], "No such command 'tokn'. Did you mean 'token'?", "roomkey --help"),
        (["token"], "Missing argument 'NAME'.", "roomkey token --help"),
        (["token", "orders", "--row"], "No such option: --row", "roomkey token --help"),
        (["token", "orders", "extra"], "unexpected extra argument", "roomkey token --help"),
        (["call", "orders", "GET"], "Missing argument 'PATH'.", "roomkey call --help"),
        (["store", "rotate"], "No such command 'rotate'.", "roomkey store --help"),
    ],
)
def test_a_wrong_argument_is_one_sentence_and_the_next_step(home, arguments, words, step):
    done = home.call(*arguments)
    assert done.returncode == ExitCode.USAGE
    assert words in done.stderr
    assert done.stderr.endswith(f"\n   next: {step}\n")
    assert done.stderr.count("\n") == 2
    assert done.stdout == ""


def test_a_long_word_in_the_wrong_place_is_not_repeated(home, nothing_leaks):
    nothing_leaks.plant("opaque-token-in-the-wrong-place")
    for arguments in (["opaque-token-in-the-wrong-place"], ["token", "orders", "opaque-token-in-the-wrong-place"]):
        assert home.call(*arguments).returncode == ExitCode.USAGE


def test_whatever_looks_like_a_jwt_is_refused_and_not_repeated(home, issuer, api, nothing_leaks):
    token = issuer.issue()
    for argument in (token, f"Authorization: Bearer {token}", f"access_token={token}", f"/x?t=Bearer%20{token}"):
        done = home.call("call", "orders", "GET", "/x", "--data", argument)
        assert done.returncode == ExitCode.USAGE
        assert "An argument looks like a token" in done.stderr
    assert api.requests == []


def test_a_path_that_only_resembles_a_jwt_is_none(home, api):
    for path in ("/survey-results.downloaded", "/monkeyJungle12.classes1", "/v1.0/eyes.example-page"):
        assert home.call("call", "orders", "GET", path).returncode == 0
    assert len(api.requests) == 3


def test_without_a_configuration_token_and_call_report_where_it_was_looked_for(home):
    home.file.unlink()
    for command in (["token", "orders"], ["token", "orders", "--raw"], ["call", "orders", "GET", "/"]):
        done = home.call(*command)
        assert done.returncode == ExitCode.USAGE
        assert done.stderr.startswith("roomkey: There is no roomkey.toml here and none in ")


def test_without_a_configuration_status_and_store_list_report_that_and_create_nothing(home):
    home.file.unlink()
    status = home.call("status")
    assert status.returncode == 0
    assert "file   none yet; roomkey init writes one" in status.stdout
    assert json.loads(home.call("status", "--json").stdout)["file"] is None
    listed = home.call("store", "list")
    assert (listed.returncode, "The store is empty." in listed.stdout) == (0, True)
    assert list(home.folder.iterdir()) == []


def test_a_first_configuration_is_written_once_and_read_without_complaint(home):
    home.file.unlink()
    done = home.call("init")
    assert (done.returncode, done.stderr) == (0, "")
    assert home.call("init").returncode == ExitCode.USAGE
    assert "is not replaced" in home.call("init").stderr
    written = home.file.read_text()
    status = home.call("status", "--json")
    assert status.returncode == 0
    assert [each["name"] for each in json.loads(status.stdout)["credentials"]] == ["orders"]
    uncommented = written.replace("\n# [", "\n[").replace("\n# source", "\nsource").replace("\n# token", "\ntoken")
    home.file.write_text(uncommented.replace("\n# base_url", "\nbase_url").replace("\n# context", "\ncontext"))
    assert roomkey.load(home.file).names == ("orders", "reports")


@pytest.mark.parametrize(
    "command", [[], ["status"], ["store"], ["store", "clear"], ["admin"], ["admin", "api", "list"]]
)
def test_h_is_help(home, command):
    assert home.call(*command, "-h").stdout == home.call(*command, "--help").stdout


@pytest.mark.parametrize(
    ("line", "wanted"),
    [("roomkey to", {"token"}), ("roomkey store ", {"list", "rotate-key", "clear"}), ("roomkey admin api l", {"list"})],
)
def test_the_shell_completes_commands_of_every_depth(home, line, wanted):
    asked = {"_ROOMKEY_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    assert set(home.run(**asked).stdout.split()) == wanted
    assert "complete_bash" in home.run("--show-completion", "bash").stdout


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [
        ("rich", ["status"], "cli"),
        ("typer", ["token", "orders"], "cli"),
        ("uvicorn", ["serve"], "cli,server"),
        ("sqlalchemy", ["serve", "--check"], "cli,server"),
        ("sqlalchemy", ["admin", "api", "list"], "cli,server"),
    ],
)
def test_a_command_without_its_extra_names_it(home, monkeypatch, package, command, extra):
    program = f"import sys; sys.modules[{package!r}] = None; from roomkey.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, *command],
        cwd=home.folder, env=home.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.endswith(f'needs the package {package}: pip install "roomkey[{extra}]"\n')
    assert done.stderr.count("\n") == 1


def test_a_stored_token_is_printed_without_what_is_slow_to_import(home):
    home.call("token", "orders")
    program = (
        "import sys; from roomkey.cli.main import main; code = main(); "
        "print(*{name.partition('.')[0] for name in sys.modules}, 'importlib.metadata' in sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "token", "orders", "--raw"],
        cwd=home.folder, env=home.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not {"typer", "rich", "httpx2", "pydantic", "ssl", "email", "http"} & set(done.stdout.split())
    assert done.stdout.endswith("False\n")


@pytest.mark.parametrize(
    "text", ["[store", "[stor]\n", '[credentials.a]\nsource = "password"\npassword = "hunter2-in-plain-text"\n']
)
def test_a_wrong_configuration_ends_every_command_the_same_way(home, text, nothing_leaks):
    nothing_leaks.plant("hunter2-in-plain-text")
    home.file.write_text(text)
    for command in (["token", "a"], ["call", "a", "GET", "/"], ["status"], ["store", "list"], ["store", "clear", "a"]):
        done = home.call(*command)
        assert done.returncode == ExitCode.USAGE
        assert done.stderr.startswith(f"roomkey: {home.file}: ")
        assert done.stderr.count("\n") == 1


# Streams.


def test_a_reader_that_goes_away_ends_it_silently(home):
    for command in (["token", "orders"], ["call", "orders", "GET", "/orders"]):
        ours, theirs = os.pipe()
        os.close(ours)
        process = home.start(*command, stdout=theirs, stderr=subprocess.PIPE)
        os.close(theirs)
        _, told = process.communicate(timeout=30)
        assert process.returncode == ExitCode.FAILED
        assert b"Traceback" not in told
        assert b"Broken" not in told
        assert b"roomkey: " not in told


def test_head_takes_one_line_and_nobody_complains(home):
    done = subprocess.run(
        f"{shlex.join([*COMMAND, 'status', '--json'])} | head -1",
        shell=True,
        cwd=home.folder,
        env=home.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "{\n"
    assert "roomkey: " not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has this device")
def test_a_full_disk_is_told_in_a_sentence(home):
    home.call("token", "orders")
    for command in (["token", "orders", "--raw"], ["--help"]):
        with Path("/dev/full").open("wb") as full:
            process = home.start(*command, stdout=full, stderr=subprocess.PIPE)
            _, told = process.communicate(timeout=30)
        assert process.returncode == ExitCode.FAILED
        assert told.decode().endswith("roomkey: The output cannot be written: No space left on device.\n")
        assert b"Traceback" not in told


@pytest.mark.parametrize(("closed", "command", "code"), [(0, ["inspect"], 2), (1, ["status"], 0), (2, ["tokn"], 2)])
def test_a_stream_that_is_closed_leads_nowhere(home, closed, command, code):
    done = subprocess.run(
        f"{shlex.join([*COMMAND, *command])} {closed}>&-",
        shell=True,
        cwd=home.folder,
        env=home.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert "should not happen" not in done.stdout + done.stderr


def test_a_terminal_without_the_letters_gets_others(home):
    done = home.run("status", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 0
    assert "? absent" in done.stdout


# Signals.


def test_ctrl_c_ends_it_at_once_with_code_130(home, issuer):
    issuer.hang()
    process = home.start("token", "orders", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 20
    while not issuer.token_requests and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=30)  # and not the two minutes of the hang
    issuer.recover()
    assert process.returncode == ExitCode.INTERRUPTED
    assert out == b""
    assert told.decode().endswith("roomkey: Interrupted.\n")
    assert b"Traceback" not in told


# Colours.


@pytest.mark.parametrize(
    "command",
    [["--help"], ["token", "orders"], ["status"], ["store", "list"], ["tokn"], ["call", "orders", "GET", "/x"]],
)
def test_colours_are_for_terminals_that_want_them(home, command):
    home.call(*command)
    assert "\x1b" not in "".join(home.printed)
    assert "\x1b[" in home.terminal(*command).stdout
    assert "\x1b[3" not in re.sub(r"\x1b\[[0-9]*[lh]", "", home.terminal(*command, NO_COLOR="1").stdout)


def test_a_terminal_that_knows_no_colours_gets_none(home):
    assert "\x1b" not in home.terminal("status", TERM="dumb").stdout


@pytest.mark.parametrize("width", [40, 120])
def test_no_line_is_wider_than_the_terminal(home, width):
    for command in (["token", "orders"], ["token", "a-name-that-no-credential-has"]):
        seen = home.terminal(*command, width=width, NO_COLOR="1").stdout
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
        assert max(map(len, plain.splitlines())) <= width


def test_the_page_lists_every_verb_that_is_declared():
    from roomkey.authorization_server.commands.command import NOUNS, commands_of

    rows = re.findall(r"^\| `([a-z-]+)` \| (`.+) \|$", PAGE, re.MULTILINE)
    listed = {noun: set(re.findall(r"`([a-z-]+)`", verbs)) for noun, verbs in rows}
    for noun in NOUNS:
        declared = {kind.declaration.verb for kind in commands_of(noun)} - {""}
        assert declared
        assert declared <= listed[noun], noun
