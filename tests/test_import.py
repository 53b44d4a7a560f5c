"""What ``import roomkey`` loads, and that every public name is there."""

import importlib
import json
import subprocess
import sys

import pytest

import roomkey
import roomkey.jose

HEAVY = ("cryptography", "httpx", "httpx2", "requests", "aiohttp", "ssl", "asyncio", "sqlite3", "http.client", "typer")


def loaded_by(code: str) -> set[str]:
    end = "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    program = f"import sys; before = set(sys.modules)\n{code}\n{end}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


def test_importing_roomkey_loads_neither_an_http_library_nor_cryptography() -> None:  # client 70
    loaded = loaded_by("import roomkey")
    assert not loaded & set(HEAVY)
    assert not {name for name in loaded if name.startswith("roomkey.")}


def test_importing_roomkey_takes_less_than_thirty_milliseconds() -> None:  # client 70
    program = "import time; start = time.process_time(); import roomkey; print(time.process_time() - start)"
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, check=True) for _ in range(5)]
    assert min(float(run.stdout) for run in runs) < 0.03


def test_a_manager_and_its_credential_load_no_http_library_and_no_event_loop_until_a_token_is_needed() -> (
    None
):  # client 70
    code = """import roomkey
source = roomkey.ClientCredentials(token_endpoint="https://auth.example/token", client_id="a", client_secret="b")
roomkey.TokenManager(roomkey.MemoryStore()).credential(source)"""
    assert not loaded_by(code) & {"httpx", "httpx2", "requests", "aiohttp", "asyncio"}


def test_a_key_set_loads_no_http_library_until_its_keys_are_needed() -> None:
    code = 'import roomkey; roomkey.KeySet.remote("https://auth.example/jwks")'
    assert not loaded_by(code) & {"httpx", "httpx2", "requests", "aiohttp", "asyncio"}
    assert "cryptography" not in loaded_by("import roomkey.jose.compact, roomkey.oauth.token_response")


def test_every_public_name_is_there_and_documented() -> None:
    for name in roomkey.__all__:
        assert getattr(roomkey, name).__doc__, name
    assert set(roomkey.__all__) <= set(dir(roomkey))
    for name in roomkey.jose.__all__:
        assert getattr(roomkey.jose, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(roomkey, "Nothing")


@pytest.mark.parametrize("old", roomkey.RENAMED)
def test_an_old_name_is_the_new_one_and_warns_where_it_is_used(old: str) -> None:
    module, _, name = old.rpartition(".")
    with pytest.warns(DeprecationWarning, match=f"{old} is now") as warned:
        value = getattr(importlib.import_module(module), name)
    assert value is getattr(importlib.import_module(module), roomkey.RENAMED[old])
    assert {each.filename for each in warned} == {__file__}
    with pytest.warns(DeprecationWarning, match="the old name will be removed"):
        exec(f"from {module} import {name}")
    assert name not in dir(importlib.import_module(module))
