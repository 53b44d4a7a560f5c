"""What the service counts of itself, in this process since it began, and how Prometheus reads it (pure)."""

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
Labels = Mapping[str, str]


class Measurements:
    """Counters of one process. To be used on one event loop; no label comes from a request's own words."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()
        self._issued: Counter[str] = Counter()
        self.in_flight = 0

    def request(self, *, route: str, method: str, status: int, seconds: float, grant: str | None) -> None:
        """Count one answered request; ``grant`` is set where it was answered with a token."""
        self._requests[route, method if method in _METHODS else "other", status] += 1
        buckets = self._buckets.get(route)
        if buckets is None:
            buckets = self._buckets[route] = [0] * (len(_BOUNDS) + 1)
        buckets[bisect.bisect_left(_BOUNDS, seconds)] += 1
        self._seconds[route] += seconds  # type: ignore[assignment]
        if grant is not None and status == 200:
            self._issued[grant] += 1

    def text(self, gauges: Iterable[tuple[str, str, Labels, float]]) -> str:
        """Everything in Prometheus' text format 0.0.4, with ``gauges`` as (name, help, labels, value) at its end."""
        page = _Page()
        for (route, method, status), count in sorted(self._requests.items()):
            labels = {"route": route, "method": method, "status": str(status)}
            page.add("roomkey_requests_total", "counter", "Requests that were answered.", labels, count)
        name, words = "roomkey_request_seconds", "Seconds from a request's head to the end of its answer."
        for route, buckets in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), buckets, strict=True):
                total += count
                page.add(name, "histogram", words, {"route": route, "le": bound}, total, suffix="_bucket")
            page.add(name, "histogram", words, {"route": route}, self._seconds[route], suffix="_sum")
            page.add(name, "histogram", words, {"route": route}, total, suffix="_count")
        for grant, count in sorted(self._issued.items()):
            page.add("roomkey_tokens_issued_total", "counter", "Token answers, by grant.", {"grant": grant}, count)
        page.add("roomkey_requests_in_flight", "gauge", "Requests that are being answered.", {}, self.in_flight)
        for gauge, told, about, value in gauges:
            page.add(gauge, "gauge", told, about, value)
        return page.text()


class _Page:
    def __init__(self) -> None:
        self._lines: list[str] = []
        self._told: set[str] = set()

    def add(self, name: str, kind: str, words: str, labels: Labels, value: float, *, suffix: str = "") -> None:
        if name not in self._told:
            self._told.add(name)
            self._lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        self._lines.append(f"{name}{suffix}{'{' + inside + '}' if inside else ''} {value}")

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
