"""The client's certificate of a TLS connection, as whoever ended the TLS says it (RFC 8705, RFC 9440; pure)."""

import base64
import binascii
import ipaddress
import ssl
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, final

from roomkey.errors import ConfigurationError

_LONGEST: Final = 16_384


def client_certificate(scope: Mapping[str, Any]) -> bytes | None:
    """The client's certificate of an ASGI ``scope`` in DER, or None where there is none, or a bad one.

    It comes from the TLS extension of ASGI 3, which a server fills in from its own connection. One that the server
    could not verify counts for nothing.
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
    """The proxies that end the TLS for an API and say which certificate a client has, in ``Client-Cert`` (RFC 9440)."""

    __slots__ = ("_networks",)

    def __init__(self, addresses: Iterable[str]) -> None:
        """``addresses`` are those of the proxies, or networks of nobody else; raises ConfigurationError."""
        named = (addresses,) if isinstance(addresses, str) else tuple(addresses)
        try:
            self._networks = tuple(map(ipaddress.ip_network, named))
        except ValueError:
            raise ConfigurationError(
                "certificates_from= takes addresses and networks of proxies, such as 10.1.2.3 or 10.1.2.0/24."
            ) from None

    def certificate(self, peer: str | None, headers: Sequence[str]) -> bytes | None:
        """The certificate in DER that ``headers``, all of that name, say; None where the ``peer`` is no such proxy."""
        if len(headers) != 1 or not self._trusted(peer):
            return None
        value = headers[0]
        if len(value) > _LONGEST or len(value) < 3 or not value[0] == value[-1] == ":":
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
