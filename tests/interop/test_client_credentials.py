"""An app's own identity at a certified OpenID server: its JWTs are got, shared, and replaced before they end."""

import json
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.interop.oidc_provider import BRIEF_ORDERS, Client, OIDCProvider, TokenRequest
from tests.interop.sources import Sources
from tests.support.leaks import LeakDetector

import roomkey
from roomkey.oauth.client_authentication import ClientAuthentication

AUTHENTICATIONS = ["client_secret_basic", "client_secret_post"]


@pytest.mark.parametrize("authentication", AUTHENTICATIONS)
def test_a_jwt_is_got_with_a_secret_of_awkward_characters(
    oidc_provider: OIDCProvider,
    manager: roomkey.TokenManager,
    client: Client,
    sources: Sources,
    authentication: ClientAuthentication,
) -> None:  # client 53
    assert set(":+% &=") <= set(client.client_id) & set(client.client_secret)
    token = manager.credential(sources.app(authentication=authentication)).token()
    claims = token.claims_unverified
    assert (claims["iss"], claims["aud"]) == (oidc_provider.issuer, "orders-api")
    assert (claims["client_id"], claims["scope"]) == (client.client_id, "orders:read")
    assert (token.token_type, token.scope, round(token.expires_in)) == ("Bearer", "orders:read", 300)
    asked = TokenRequest(client.client_id, "client_credentials", authentication, error="")
    assert oidc_provider.token_requests(client) == [asked]


def test_64_threads_send_one_token_request(
    oidc_provider: OIDCProvider, manager: roomkey.TokenManager, client: Client, sources: Sources
) -> None:  # client 1
    orders = manager.credential(sources.app())
    gate = threading.Barrier(64)

    def call(_: int) -> str:
        gate.wait()
        return orders.header()

    with ThreadPoolExecutor(64) as pool:
        assert len(set(pool.map(call, range(64)))) == 1
    assert oidc_provider.grants(client) == ["client_credentials"]


def test_tokens_of_5_seconds_are_replaced_while_the_server_stands_still_and_nobody_waits(
    oidc_provider: OIDCProvider, manager: roomkey.TokenManager, client: Client, sources: Sources
) -> None:  # client 17, 32
    credentials = [
        manager.credential(sources.app(resource=BRIEF_ORDERS)),
        manager.credential(sources.user(resource=BRIEF_ORDERS)),
    ]
    assert all(round(credential.token().expires_in) == 5 for credential in credentials)
    end = time.monotonic() + 6.0

    def call(credential: roomkey.Credential) -> tuple[float, float, set[str]]:
        """The longest wait for a token, the least that one had left to live, and all that there were."""
        longest, least, values = 0.0, 5.0, set()
        while time.monotonic() < end:
            started = time.monotonic()
            token = credential.token()
            longest = max(longest, time.monotonic() - started)
            least = min(least, token.claims_unverified["exp"] - time.time())
            values.add(token.value)
            time.sleep(0.01)
        return longest, least, values

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(call, credential) for credential in credentials * 2]
        oidc_provider.pause(2.2)  # both tokens become stale meanwhile, at 1.25 s at the latest
        results = [one.result() for one in running]
    assert max(longest for longest, _, _ in results) < 0.6
    assert min(least for _, least, _ in results) > 0.0
    assert min(len(values) for _, _, values in results) >= 3
    grants = oidc_provider.grants(client)
    assert set(grants) == {"client_credentials", "password", "refresh_token"}
    assert grants.count("password") == 1
    assert len(grants) < 20


@pytest.mark.parametrize("authentication", AUTHENTICATIONS)
def test_a_wrong_secret_is_asked_about_once(
    oidc_provider: OIDCProvider,
    manager: roomkey.TokenManager,
    client: Client,
    sources: Sources,
    authentication: ClientAuthentication,
) -> None:  # client 27
    wrong = sources.app(authentication=authentication, client_secret=client.client_secret + "?")
    orders = manager.credential(wrong)
    for _ in range(20):
        with pytest.raises(roomkey.TokenUnavailable) as caught:
            orders.header()
        assert caught.value.reason == "invalid_client"
        assert 0.0 < (caught.value.retry_after or 0.0) <= 60.0
    assert oidc_provider.grants(client) == ["client_credentials invalid_client"]
    LeakDetector([client.client_secret]).assert_clean(caught.value, orders.status())


def test_two_processes_with_one_store_send_one_token_request(
    oidc_provider: OIDCProvider, client: Client, sources: Sources, tmp_path: Path
) -> None:  # client 5
    program = textwrap.dedent(
        """
        import json, sys, roomkey
        print("ready", flush=True)
        path, settings = json.loads(sys.stdin.readline())
        with roomkey.TokenManager(roomkey.SQLiteStore(path)) as manager:
            print(manager.credential(roomkey.ClientCredentials(**settings)).header())
        """
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    oidc_provider.pause(0.7)  # so that the second one comes while the first one asks
    for process in processes:
        process.stdin.write(json.dumps([str(tmp_path / "tokens.db"), sources.settings]) + "\n")
        process.stdin.flush()
    headers = {process.communicate(timeout=30)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(headers) == 1
    assert headers.pop().startswith("Bearer ")
    assert oidc_provider.grants(client) == ["client_credentials"]
