"""A connection that sends the head of an answer together with its body: one call of the system, and one packet."""

import asyncio
from typing import Any


class OneWrite:
    """Stands before a transport; holds the head of an answer until what comes next is written.

    The head goes out at the latest with ``finish`` or ``close``. For one event loop.

    Attributes:
        begun: whether a head was written, and the answer is not finished.
    """

    __slots__ = (
        "_head",
        "_transport",
        "_write",
        "begun",
        "get_extra_info",
        "is_closing",
        "pause_reading",
        "resume_reading",
        "set_protocol",
    )

    def __init__(self, transport: asyncio.Transport) -> None:
        self.begun = False
        self._head = b""
        self._transport = transport
        self._write = transport.write
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.set_protocol = transport.set_protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send ``data``, after the head that is held; or hold it, where it is a head."""
        if self._head:
            data, self._head = self._head + data, b""
        elif not self.begun and bytes(data[:10]) != b"HTTP/1.1 1":  # 1xx begins no answer, and cannot wait
            self.begun = True
            if bytes(data[-4:]) == b"\r\n\r\n":
                self._head = bytes(data)
                return
        self._write(data)

    def finish(self) -> None:
        """Send what is held: the answer is whole."""
        self._flush()
        self.begun = False

    def close(self) -> None:
        """Send what is held, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            data, self._head = self._head, b""
            self._write(data)

    def __getattr__(self, name: str) -> Any:
        self._flush()  # whatever else is done with the transport comes after it
        return getattr(self._transport, name)
