"""What a request shows of who sent it, read from it in each framework's own way."""

from collections.abc import MutableMapping, Sequence
from typing import Any, Final, final

from roomkey.resource_server.dpop_proof import DPoPRequest
from roomkey.secret import Confidential

_KEY: Final = "roomkey.proof"


@final
class Presented(Confidential):
    """What is judged of a request; its repr shows nothing of it.

    Parameters:
        authorization: every ``Authorization`` header.
        query: the query string as it came.
        certificate: the client's certificate in DER, where the server itself says which one this connection has.
        proof: what the request shows of DPoP, from ``presented_proof``.
        peer: the address of whoever opened the connection, or None.
        client_cert: every ``Client-Cert`` header, which counts where ``peer`` is a proxy that is trusted with it.
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
        return "Presented(…)"


def presented_proof(
    kept: MutableMapping[str, Any], headers: Sequence[str], *, method: str, path: str
) -> DPoPRequest | None:
    """What a request with these ``DPoP`` headers shows, or None where it has none.

    A proof is spent by its first use, and one request may be judged more than once: by a middleware and by a view, or
    by two dependencies. So it stays in ``kept``, which must live as long as the request does, and no longer.
    """
    if not headers:
        return None
    known = kept.get(_KEY)
    if not isinstance(known, DPoPRequest):
        known = kept[_KEY] = DPoPRequest(headers, method=method, path=path)
    return known
