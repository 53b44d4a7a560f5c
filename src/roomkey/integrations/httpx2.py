"""BearerAuth for httpx2: ``httpx2.Client(auth=BearerAuth(credential))``, and the same for ``AsyncClient``."""

from typing import ClassVar, final

try:
    import httpx2
except ModuleNotFoundError as missing:
    if missing.name != "httpx2":
        raise
    raise ImportError(
        "roomkey.integrations.httpx2 needs the package httpx2, which is not installed: pip install httpx2"
    ) from None

from roomkey.integrations.bearer import BearerFlow
from roomkey.integrations.call import CallOptions, CallReport

__all__ = ["BearerAuth", "CallOptions", "CallReport"]


@final
class BearerAuth(BearerFlow[httpx2.Request, httpx2.Response], httpx2.Auth):
    """Send a credential's token with every request of an httpx2 client, synchronous or asynchronous (RFC 6750).

    It replaces an Authorization header of the request or the client, as every auth class of httpx2 does;
    ``CallOptions(attach=False)`` leaves yours. The client itself is never changed. What was done stands in
    ``response.extensions["roomkey"]``, a :class:`CallReport`.

    Parameters:
        credential: whose token; made by ``TokenManager.credential``.
        origins: where the token may go, such as ``["https://orders.example"]``; of a base URL, scheme, host and port
            count. By default the first request's origin, and no other for as long as this object lives. A direct
            request elsewhere raises OriginNotAllowed before anything is sent; a redirect elsewhere, also to another
            port, goes on without the token.
        retry: what counts as a rejection, and what is sent once more; :class:`roomkey.client.api_retry.RetryPolicy`.
        rejected: for an API that answers 200 to an expired session: a function that says of a response whether it
            rejects the token. The whole body of every response is read first, also of streamed ones. What it raises
            goes to the caller; the response is closed then.
        raise_on_rejection: raise TokenRejected where the API rejects a new token too, in place of returning its 401.

    A request may raise TokenUnavailable, LoginRequired, OriginNotAllowed and TokenRejected; it is never sent without
    its token. Safe in any thread and event loop; one object may serve many clients.
    """

    library: ClassVar[str] = "httpx2"
    parse_url = httpx2.URL
    bytes_type = httpx2.ByteStream
