"""A connection that sends the head of an answer together with its body: one call of the system, and one packet."""

import asyncio
from typing import Any


class OneWrite:
    """Stands before a transport; holds what is written back while it is the head of an answer.

    The head goes out with what is written next, and at the latest with ``flush`` or ``close``. For one event loop.
    """

    __slots__ = (
        "_head",
        "_transport",
        "_write",
        "get_extra_info",
        "is_closing",
        "pause_reading",
        "resume_reading",
        "set_protocol",
    )

    def __init__(self, transport: asyncio.Transport) -> None:
        self._head = b""
        self._transport = transport
        self._write = transport.write
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.set_protocol = transport.set_protocol

    def write(self, data: bytes) -> None:
        """Send ``data``, after the head that is held; or hold it."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.endswith(b"\r\n\r\n") and data.startswith(b"HTTP/1.1 ") and data[9:10] != b"1":  # 1xx cannot wait
            self._head = data
            return
        self._write(data)

    def flush(self) -> None:
        """Send what is held."""
        if self._head:
            data, self._head = self._head, b""
            self._write(data)

    def close(self) -> None:
        """Send what is held, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
