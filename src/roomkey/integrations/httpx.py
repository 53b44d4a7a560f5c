"""BearerAuth for httpx: ``httpx.Client(auth=BearerAuth(credential))``, and the same for ``AsyncClient``."""

from typing import ClassVar, final

try:
    import httpx
except ModuleNotFoundError as missing:
    if missing.name != "httpx":
        raise
    raise ImportError(
        "roomkey.integrations.httpx needs the package httpx, which is not installed: pip install httpx"
    ) from None

from roomkey.integrations.bearer import BearerFlow
from roomkey.integrations.call import CallOptions, CallReport

__all__ = ["BearerAuth", "CallOptions", "CallReport"]


@final
class BearerAuth(BearerFlow[httpx.Request, httpx.Response], httpx.Auth):
    """Send a credential's token with every request of an httpx client, synchronous or asynchronous (RFC 6750).

    It replaces an Authorization header of the request or the client, as every auth class of httpx does;
    ``CallOptions(attach=False)`` leaves yours. The client itself is never changed. What was done stands in
    ``response.extensions["roomkey"]``, a :class:`CallReport`.

    Parameters:
        credential: whose token; made by ``TokenManager.credential``.
        origins: where the token may go, such as ``["https://orders.example"]``; of a base URL, scheme, host and port
            count. By default the first request's origin, and no other for as long as this object lives. A direct
            request elsewhere raises OriginNotAllowed before anything is sent; a redirect elsewhere, also to another
            port, goes on without the token.
        retry: what counts as a refusal, and what is sent once more; :class:`roomkey.client.api_retry.RetryPolicy`.
        rejected: for an API that answers 200 to an ended session: a function that says of a response whether it
            refuses the token. The whole body of every answer is read first, also of streamed ones. What it raises
            goes to the caller; the response is closed then.
        raise_on_rejection: raise TokenRejected where the API refuses a new token too, in place of returning its 401.

    A request may raise TokenUnavailable, LoginRequired, OriginNotAllowed and TokenRejected; it is never sent without
    its token. Safe in any thread and event loop; one object may serve many clients.
    """

    library: ClassVar[str] = "httpx"
    parse_url = httpx.URL
    bytes_type = httpx.ByteStream
