"""What an ASGI connection shows of who opened it."""

from collections.abc import MutableMapping
from typing import Any

from roomkey.integrations.client_certificate import client_certificate
from roomkey.integrations.presented import Presented, presented_proof


def presented_by(scope: MutableMapping[str, Any]) -> Presented:
    """What is judged of a request or a websocket, which is opened by a GET (RFC 6455 section 4.1)."""
    headers: dict[bytes, list[str]] = {b"authorization": [], b"dpop": [], b"client-cert": []}
    for name, value in scope["headers"]:
        if (lowered := name.lower()) in headers:
            headers[lowered].append(value.decode("latin-1"))
    return Presented(
        headers[b"authorization"],
        scope.get("query_string", b"").decode("latin-1"),
        certificate=client_certificate(scope),
        proof=presented_proof(scope, headers[b"dpop"], method=scope.get("method", "GET"), path=scope["path"]),
        peer=(scope.get("client") or (None,))[0],
        client_cert=headers[b"client-cert"],
    )
