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

    The parameters, the exceptions and the behaviour are those of :class:`roomkey.integrations.httpx2.BearerAuth`.
    """

    library: ClassVar[str] = "httpx"
    parse_url = httpx.URL
    bytes_type = httpx.ByteStream
