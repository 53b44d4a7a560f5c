"""HTTP transport of our own requests: one request, one response, one deadline; and the URLs that they may go to.

Requests with secrets go to https alone, or to http on loopback.
"""

import contextlib
import ipaddress
import logging
import re
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

from roomkey.errors import ConfigurationError
from roomkey.http.messages import Request, Response
from roomkey.secret import Secret

if TYPE_CHECKING:
    import ssl

    import httpx2

_LARGEST_ANSWER: Final = 1_048_576
_ERROR_NUMBER: Final = re.compile(r"^\[Errno -?\d+\] ")
_CHATTY_LOGGERS: Final = (
    "httpx2",
    *(f"httpcore2.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
)


class TransportError(Exception):
    """No usable response came back.

    Attributes:
        sent: True where the server may have seen the request; False where it surely has not.
        reason: ``unreachable``, ``timeout``, ``connection_lost``, ``answer_too_large`` or ``answer_unreadable``.
        detail: words for users; they hold nothing of the request or the response.
        url: the address that was asked, or "".
    """

    def __init__(self, reason: str, detail: str, *, sent: bool) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.sent = sent
        self.url = ""


_NO_PACKING: Final = frozenset({"", "identity", "none", "binary", "utf-8", "utf8", "8bit"})
"""Content-Encoding of servers that take it for a character set or a transfer encoding: the body is as it is."""


def check_endpoint_url(url: str, setting: str) -> str:
    """``url`` where secrets may be sent to it: https, or http on a loopback address, without user and fragment.

    Raises ConfigurationError, which names ``setting``.
    """
    problem = url_problem(url)
    if problem:
        raise ConfigurationError(f"{setting} {problem}; give an https:// URL (http:// is for loopback alone).")
    return url


def url_problem(url: str) -> str:
    """The end of a sentence that says what is wrong with ``url``; empty where secrets may be sent to it."""
    if not isinstance(url, str):
        return "must be a string"
    if not url.isascii() or any(character.isspace() or not character.isprintable() for character in url):
        return "holds characters that a URL cannot have"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return "is not a URL"
    return _part_problem(parts, host)


def _part_problem(parts: SplitResult, host: str) -> str:
    if parts.scheme not in {"https", "http"} or not host:
        return "is not an https:// URL"
    if parts.scheme == "http" and not is_loopback(host):
        return "is not https"
    if _is_link_local(host):
        return "is a link-local address, which only this machine's own network knows"
    if parts.username is not None or parts.password is not None:
        return "has a user name or password in it"
    return "has a fragment" if parts.fragment else ""


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and the loopback addresses, as names or numbers. Looks nothing up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_link_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class TimedResponse:
    """A response, and the seconds between its request and its arrival."""

    response: Response
    round_trip: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """The way to token endpoints and issuers: certificates, proxy and time-outs.

    Parameters:
        verify: an ``ssl.SSLContext`` with the certificates to trust and, where asked for, the client's own;
            None for the system's.
        proxy: URL of a proxy, kept as a ``Secret``; None takes the one of the environment. Loopback addresses never
            use one.
        connect_timeout: seconds for one connection attempt.

    Each request has a connection of its own: token requests are rare, and nothing is left open for a child
    process to inherit. Blocks; safe in any thread.
    """

    verify: "ssl.SSLContext | None" = None
    proxy: Secret | str | None = None
    connect_timeout: float = 5.0

    def __post_init__(self) -> None:
        if self.proxy is not None:
            object.__setattr__(self, "proxy", Secret.of(self.proxy))

    def send(self, request: Request, *, seconds: float, largest: int = _LARGEST_ANSWER) -> TimedResponse:
        """Send ``request`` and read its response within ``seconds`` in all; never follows a redirect.

        ``largest`` is what the response's body may measure, as it travels and unpacked, in bytes.

        Raises TransportError.
        """
        if seconds <= 0.0:
            raise TransportError("timeout", "no time was left to ask", sent=False)
        started = time.monotonic()
        outcome = _exchange(self, request, seconds, largest)
        if isinstance(outcome, TransportError):
            raise outcome
        return TimedResponse(outcome, time.monotonic() - started)


def _exchange(settings: Transport, request: Request, seconds: float, largest: int) -> Response | TransportError:
    """Errors are returned, not raised: a foreign traceback would carry the request's body along in its frames."""
    import httpx2

    guard = _Deadline(seconds)
    try:
        client = _client(settings, request.url, seconds)
    except (ImportError, ValueError, OSError, httpx2.InvalidURL) as error:
        what = type(error).__name__
        return TransportError(
            "unreachable", f"no connection could be prepared ({what}); see to proxy and certificates", sent=False
        )
    try:
        with _silence(), client, guard:
            return _read(client, request, guard, largest)
    except httpx2.ConnectTimeout:
        return TransportError("unreachable", "the connection attempt timed out", sent=False)
    except (httpx2.ConnectError, httpx2.ProxyError) as error:
        return TransportError("unreachable", why_no_connection(error), sent=False)
    except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
        return TransportError("unreachable", f"the URL cannot be used ({type(error).__name__})", sent=False)
    except httpx2.TimeoutException:
        return TransportError("timeout", f"no answer within {seconds:.0f} s", sent=True)
    except _TooLarge:
        return TransportError("answer_too_large", f"the answer is larger than {largest // 1024} KiB", sent=True)
    except _Unreadable:
        return TransportError("answer_unreadable", "the answer is packed in a way that cannot be undone", sent=True)
    except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        if guard.over:
            return TransportError("timeout", f"no whole answer within {seconds:.0f} s", sent=True)
        return TransportError("connection_lost", f"the connection broke ({type(error).__name__})", sent=True)


def why_no_connection(error: Exception) -> str:
    """The system's words for a failed connection attempt, without the number before them. Pure."""
    return _ERROR_NUMBER.sub("", str(error))[:200] or "no connection"


def _client(settings: Transport, url: str, seconds: float) -> "httpx2.Client":
    import httpx2

    local = is_loopback(urlsplit(url).hostname or "")
    proxy = None if local or settings.proxy is None else Secret.of(settings.proxy).reveal()
    timeout = httpx2.Timeout(seconds, connect=min(settings.connect_timeout, seconds))
    verify = _trusted() if settings.verify is None else settings.verify
    return httpx2.Client(verify=verify, proxy=proxy, timeout=timeout, follow_redirects=False, trust_env=not local)


def _read(client: "httpx2.Client", request: Request, guard: "_Deadline", largest: int) -> Response:
    headers = [("Accept-Encoding", "identity"), ("Connection", "close"), *request.headers]
    message = client.build_request(
        request.method, request.url, headers=headers, content=request.body, extensions={"trace": guard.watch}
    )
    with contextlib.closing(client.send(message, stream=True)) as got:
        chunks, size = [], 0
        for chunk in got.iter_raw(65_536):
            size += len(chunk)
            if size > largest:
                raise _TooLarge
            chunks.append(chunk)
        fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in got.headers.raw)
        packed = got.headers.get("content-encoding", "").strip().lower()
        return Response(got.status_code, fields, _unpacked(b"".join(chunks), packed, largest))


def _unpacked(body: bytes, packed: str, largest: int) -> bytes:
    """A body that was compressed although nobody asked for it; the HTTP client's own way has no limit on its size."""
    if packed in _NO_PACKING or not body:
        return body
    if packed not in {"gzip", "x-gzip", "deflate"}:
        raise _Unreadable
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        data = unpacker.decompress(body, largest + 1)
    except zlib.error:
        raise _Unreadable from None
    if len(data) > largest:
        raise _TooLarge
    if not unpacker.eof:
        raise _Unreadable
    return data


class _TooLarge(Exception):
    pass


class _Unreadable(Exception):
    pass


class _Deadline:
    """Ends a request at a moment, whatever dribbles in: the HTTP client's own time-outs begin anew with every byte."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._stream: Any = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def watch(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._stream = info["return_value"]

    def _end(self) -> None:
        self.over = True
        connection = None if self._stream is None else self._stream.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(2)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *exc: object) -> None:
        self._timer.cancel()


_context: "ssl.SSLContext | None" = None


def _trusted() -> "ssl.SSLContext":
    global _context  # noqa: PLW0603 - reading the system's certificates takes longer than a request
    if _context is None:
        import httpx2

        _context = httpx2.create_ssl_context()
    return _context


_mute = threading.local()


def _audible(_: logging.LogRecord) -> bool:
    return not getattr(_mute, "on", False)


for _name in _CHATTY_LOGGERS:
    logging.getLogger(_name).addFilter(_audible)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """At DEBUG the HTTP library writes the response's headers, and a login may answer with a token in one."""
    _mute.on = True
    try:
        yield
    finally:
        _mute.on = False
