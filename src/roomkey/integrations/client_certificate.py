"""The client's certificate of a TLS connection, where the server that ended the TLS says it (RFC 8705; pure)."""

import ssl
from collections.abc import Mapping
from typing import Any


def client_certificate(scope: Mapping[str, Any]) -> bytes | None:
    """The client's certificate of an ASGI ``scope`` in DER, or None where there is none, or a bad one.

    It comes from the TLS extension of ASGI 3, which a server fills in from its own connection; headers, which anybody
    can write, are never looked at. One that the server could not verify counts for nothing.
    """
    tls = (scope.get("extensions") or {}).get("tls")
    if not tls or tls.get("client_cert_error"):
        return None
    first = next(iter(tls.get("client_cert_chain") or ()), None)
    try:
        return ssl.PEM_cert_to_DER_cert(first) if isinstance(first, str) else None
    except ValueError:
        return None
