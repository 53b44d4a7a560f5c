"""The credentials of a request: token, DPoP proof, client certificate (RFC 6750, 8705, 9440, 9449; pure)."""

import base64
import binascii
import ipaddress
import ssl
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Final, final

from roomkey.errors import ConfigurationError
from roomkey.resource_server.dpop_proof import DPoPRequest
from roomkey.secret import Confidential

_LONGEST_CERTIFICATE: Final = 16_384
_DPOP_KEY: Final = "roomkey.proof"


def client_certificate(scope: Mapping[str, Any]) -> bytes | None:
    """Return the client's certificate of an ASGI ``scope`` in DER, or None where there is none that is valid.

    It comes from the TLS extension of ASGI 3, which a server fills in from its own connection. One that the server
    could not verify is ignored.
    """
    tls = (scope.get("extensions") or {}).get("tls")
    if not tls or tls.get("client_cert_error"):
        return None
    first = next(iter(tls.get("client_cert_chain") or ()), None)
    try:
        return ssl.PEM_cert_to_DER_cert(first) if isinstance(first, str) else None
    except ValueError:
        return None


@final
class CertificateProxies:
    """The proxies that terminate TLS for an API and send the client's certificate in ``Client-Cert`` (RFC 9440)."""

    __slots__ = ("_networks",)

    def __init__(self, addresses: Iterable[str]) -> None:
        """``addresses`` are those of the proxies, or networks of nothing else; raises ConfigurationError."""
        named = (addresses,) if isinstance(addresses, str) else tuple(addresses)
        try:
            self._networks = tuple(map(ipaddress.ip_network, named))
        except ValueError:
            raise ConfigurationError(
                "certificates_from= must be addresses or networks of proxies, such as 10.1.2.3 or 10.1.2.0/24."
            ) from None

    def certificate(self, peer: str | None, headers: Sequence[str]) -> bytes | None:
        """Return the certificate in DER from all ``Client-Cert`` headers; None where the ``peer`` is no such proxy."""
        if len(headers) != 1 or not self._trusted(peer):
            return None
        value = headers[0]
        if len(value) > _LONGEST_CERTIFICATE or len(value) < 3 or not value[0] == value[-1] == ":":
            return None
        try:
            return base64.b64decode(value[1:-1], validate=True)
        except (binascii.Error, ValueError):
            return None

    def _trusted(self, peer: str | None) -> bool:
        try:
            address = ipaddress.ip_address(peer or "")
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any((mapped or address) in network for network in self._networks)


@final
class RequestCredentials(Confidential):
    """The part of a request that is validated; its repr shows nothing of it.

    Parameters:
        authorization: every ``Authorization`` header.
        query: the query string as it was received.
        certificate: the client's certificate in DER, where the server itself terminates TLS.
        proof: the request's DPoP proof, from ``dpop_request``.
        peer: the address of the connection's other end, or None.
        client_cert: every ``Client-Cert`` header, which is used where ``peer`` is a trusted proxy.
    """

    __slots__ = ("authorization", "certificate", "client_cert", "peer", "proof", "query")

    def __init__(
        self,
        authorization: Sequence[str],
        query: str = "",
        *,
        certificate: bytes | None = None,
        proof: DPoPRequest | None = None,
        peer: str | None = None,
        client_cert: Sequence[str] = (),
    ) -> None:
        self.authorization = authorization
        self.query = query
        self.certificate = certificate
        self.proof = proof
        self.peer = peer
        self.client_cert = client_cert

    def __repr__(self) -> str:
        return "RequestCredentials(…)"


def dpop_request(
    state: MutableMapping[str, Any], headers: Sequence[str], *, method: str, path: str
) -> DPoPRequest | None:
    """Return the DPoP proof of a request with these ``DPoP`` headers, or None where it has none.

    A proof is consumed by its first use, and one request may be validated more than once: by a middleware and by a
    view, or by two dependencies. So it stays in ``state``, which must live as long as the request does, and no longer.
    """
    if not headers:
        return None
    known = state.get(_DPOP_KEY)
    if not isinstance(known, DPoPRequest):
        known = state[_DPOP_KEY] = DPoPRequest(headers, method=method, path=path)
    return known


def credentials_of(scope: MutableMapping[str, Any]) -> RequestCredentials:
    """Return the credentials of an ASGI request or websocket, which is opened by a GET (RFC 6455 section 4.1)."""
    headers: dict[bytes, list[str]] = {b"authorization": [], b"dpop": [], b"client-cert": []}
    for name, value in scope["headers"]:
        if (lowered := name.lower()) in headers:
            headers[lowered].append(value.decode("latin-1"))
    return RequestCredentials(
        headers[b"authorization"],
        scope.get("query_string", b"").decode("latin-1"),
        certificate=client_certificate(scope),
        proof=dpop_request(scope, headers[b"dpop"], method=scope.get("method", "GET"), path=scope["path"]),
        peer=(scope.get("client") or (None,))[0],
        client_cert=headers[b"client-cert"],
    )
