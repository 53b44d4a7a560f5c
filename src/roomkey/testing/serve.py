"""The test issuer and the test API in a process of their own: ``python -m roomkey.testing.serve --lifetime 5``.

One line of JSON on stdout names the URLs, a client with its secret and a user with a password, all made for this run.
The process ends at SIGTERM, SIGINT or the end of stdin, so that it never outlives the test that started it; with
``--until-signal`` it does not look at stdin. A third server takes orders: see :func:`obey`.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from roomkey.testing.api import ProtectedAPI
from roomkey.testing.issuer import Issuer
from roomkey.testing.loopback import Answer, LoopbackServer, ReceivedRequest, json_answer


@dataclass(frozen=True, slots=True)
class Settings:
    """How the two servers behave: as in :class:`Issuer`, and ``api_delay``, the API's own, in seconds."""

    lifetime: float = 300.0
    delay: float = 0.0
    api_delay: float = 0.0
    reuse_grace: float = 0.0
    date_offset: float = 0.0
    opaque: bool = False
    refresh_tokens: bool = False
    same_token: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """What the two servers have seen since they started or were last told to forget.

    ``most_at_once`` is the largest number of token requests at one time; ``accepted`` and ``rejected`` are the API's
    answers below and from 400; ``bare`` its requests without a token, ``tokens`` the number of different ones.
    """

    token_requests: int
    most_at_once: int
    api_requests: int
    accepted: int
    rejected: int
    bare: int
    tokens: int
    failures: int


_SETTINGS: Final = {field.name: field.type for field in fields(Settings)}


def counts(issuer: Issuer, api: ProtectedAPI) -> Counts:
    """Count what both have recorded so far."""
    requests = list(api.requests)
    by_result = Counter(request.status < 400 for request in requests)
    return Counts(
        token_requests=len(issuer.token_requests),
        most_at_once=issuer.most_at_once,
        api_requests=len(requests),
        accepted=by_result[True],
        rejected=by_result[False],
        bare=sum(not request.had_token for request in requests),
        tokens=len({request.token_digest for request in requests} - {None}),
        failures=len(issuer.failures) + len(api.failures),
    )


def obey(issuer: Issuer, api: ProtectedAPI, request: ReceivedRequest) -> Answer:
    """Carry out an order to the control server: the path is the order, a JSON object in the body its arguments.

    ``GET /counts`` answers :class:`Counts`. ``POST``: ``/outage`` (``status``, ``retry_after``), ``/unreachable``,
    ``/hang``, ``/drop`` and ``/answer_with`` (arguments of the methods of those names), ``/recover``, ``/revoke_all``,
    ``/settings`` (members of :class:`Settings`, and ``reject_all``), ``/forget`` (empties the records).
    """
    order = request.path.removeprefix("/")
    if request.method == "GET" and order == "counts":
        return json_answer(asdict(counts(issuer, api)))
    arguments: dict[str, Any] = json.loads(request.body or b"{}")
    if request.method != "POST":
        return json_answer({"error": "POST an order, or GET /counts"}, 405)
    if order in ("outage", "unreachable", "hang", "drop", "answer_with", "recover", "revoke_all"):
        getattr(issuer, order)(**arguments)
    elif order == "settings" and arguments.keys() <= _SETTINGS.keys() | {"reject_all"}:
        for name, value in arguments.items():
            _set(issuer, api, name, value)
    elif order == "forget":
        issuer.token_requests.clear()
        api.requests.clear()
        issuer.most_at_once = 0
    else:
        return json_answer({"error": "no such order or setting"}, 404)
    return json_answer({"done": order})


def _set(issuer: Issuer, api: ProtectedAPI, name: str, value: Any) -> None:
    if name == "api_delay":
        api.delay = value
    else:
        setattr(api if name == "reject_all" else issuer, name, value)


def _read_arguments(arguments: Sequence[str] | None) -> tuple[Settings, bool]:
    parser = argparse.ArgumentParser(prog="python -m roomkey.testing.serve", description=__doc__.split("\n")[0])
    for name, kind in _SETTINGS.items():
        option = f"--{name.replace('_', '-')}"
        if kind is bool:
            parser.add_argument(option, action="store_true")
        else:
            parser.add_argument(option, type=float, default=getattr(Settings(), name), metavar="SECONDS")
    parser.add_argument("--until-signal", action="store_true", help="run until SIGTERM or SIGINT, whatever stdin does")
    read = vars(parser.parse_args(arguments))
    until_signal = read.pop("until_signal")
    return Settings(**read), until_signal


def _wait_for_the_end(*, until_signal: bool) -> None:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())

    def read_on() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(sys.stdin.fileno(), 4096):
                pass
        ended.set()

    if not until_signal:
        threading.Thread(target=read_on, name="stdin", daemon=True).start()
    ended.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; blocks. Returns the exit code: 1 where a server failed by itself."""
    settings, until_signal = _read_arguments(arguments)
    with Issuer() as issuer, ProtectedAPI(issuer) as api:
        for name in _SETTINGS:
            _set(issuer, api, name, getattr(settings, name))
        with LoopbackServer(lambda request: obey(issuer, api, request), time.time) as control:
            started = {
                "issuer": issuer.url,
                "token_endpoint": issuer.token_endpoint,
                "api": api.url,
                "control": control.origin,
                "client_id": issuer.client.client_id,
                "client_secret": issuer.client.client_secret,
                "username": issuer.user.username,
                "password": issuer.user.password,
            }
            sys.stdout.write(json.dumps(started) + "\n")
            sys.stdout.flush()
            _wait_for_the_end(until_signal=until_signal)
        return 1 if issuer.failures or api.failures or control.failures else 0


if __name__ == "__main__":
    sys.exit(main())
