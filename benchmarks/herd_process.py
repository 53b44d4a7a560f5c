"""One of the processes of `herd.py`: TOKEN_ENDPOINT STORE THREADS; the moment to start comes on standard input."""

from __future__ import annotations

import json
import sys
import time

import ours
import roomkey
from herd import threads_wait


def main() -> None:
    token_endpoint, store, threads = sys.argv[1:]
    keyring = roomkey.Keyring.from_env("ROOMKEY_KEYS")
    with roomkey.TokenManager(store=roomkey.SQLiteStore(store, keyring=keyring)) as manager:
        credential = ours.warmed_up(manager, token_endpoint)
        print("ready", flush=True)
        moment = json.loads(sys.stdin.readline())
        time.sleep(max(0.0, moment - time.monotonic()))
        print(threads_wait(credential.header, int(threads)))


if __name__ == "__main__":
    main()
