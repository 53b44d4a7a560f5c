"""Keep-alive connections that ask as fast as they are answered, in a process of its own; prints JSON.

`hammer.py HOST:PORT REQUESTS-FILE CONNECTIONS SECONDS`. The file has a JSON list of whole HTTP/1.1 requests as text;
each connection sends them in turn, from a place of its own in the list.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop

WARM_UP = 0.5  # seconds


class Connection(asyncio.Protocol):
    """One request at a time; the end of an answer is found by its Content-Length."""

    def __init__(self, requests: list[bytes], place: int) -> None:
        self.requests = requests
        self.place = place
        self.latencies: list[float] = []
        self.statuses: dict[str, int] = {}
        self.counting = False
        self.stopped = False
        self._buffer = b""
        self._wanted = -1

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        if self.stopped:
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(self.requests[self.place % len(self.requests)])
        self.place += 1

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if self._wanted < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            at = head.index(b"content-length:") + 15
            self._wanted = end + 4 + int(head[at:].split(b"\r\n", 1)[0])
        if len(self._buffer) < self._wanted:
            return
        if self.counting:
            self.latencies.append(time.perf_counter() - self._began)
            status = self._buffer[9:12].decode()
            self.statuses[status] = self.statuses.get(status, 0) + 1
        self._buffer, self._wanted = b"", -1
        self._send()


def stay_awake(loop: asyncio.AbstractEventLoop) -> None:
    """Ask the loop for another turn at once, all the time: no server pays for waking a client that fell asleep."""
    loop.call_soon(stay_awake, loop)


async def main(requests: list[bytes], place: str, connections: str, seconds: str) -> None:
    host, port = place.split(":")
    loop = asyncio.get_running_loop()
    made = [Connection(requests, number * 997) for number in range(int(connections))]
    for connection in made:
        await loop.create_connection(lambda one=connection: one, host, int(port))
    stay_awake(loop)
    await asyncio.sleep(WARM_UP)
    for connection in made:
        connection.counting = True
    began = time.perf_counter()
    await asyncio.sleep(float(seconds))
    took = time.perf_counter() - began
    for connection in made:
        connection.counting, connection.stopped = False, True
    latencies = sorted(latency for connection in made for latency in connection.latencies)
    statuses: dict[str, int] = {}
    for connection in made:
        for status, count in connection.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    p99 = latencies[int(len(latencies) * 0.99)] if latencies else 0.0
    print(json.dumps({"per_second": len(latencies) / took, "p99": p99, "statuses": statuses}))


if __name__ == "__main__":
    address, file, *numbers = sys.argv[1:]
    uvloop.run(main([text.encode() for text in json.loads(Path(file).read_text())], address, *numbers))
