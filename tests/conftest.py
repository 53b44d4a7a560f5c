"""Fixtures that every test may use: a running issuer and API, a clock that stands still, a search for leaks."""

from roomkey.testing.fixtures import api, clock, issuer, leaks

__all__ = ["api", "clock", "issuer", "leaks"]
