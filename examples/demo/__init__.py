"""The demo, ``make demo``: the real auth service, APIs and clients on loopback, and every claim counted."""
