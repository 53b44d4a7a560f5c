"""What stands around every route of the service, in order."""

from starlette.middleware import Middleware

from roomkey.authorization_server.server.access_log import AccessLog
from roomkey.authorization_server.server.host_header import HostHeader
from roomkey.authorization_server.server.metrics import Measurements
from roomkey.authorization_server.settings import Settings


def middleware(settings: Settings) -> list[Middleware]:
    """The outermost middleware of an application, for ``Starlette(middleware=…)``, with counters of its own."""
    return [
        Middleware(AccessLog, measurements=Measurements(), log=settings.access_log),
        Middleware(HostHeader),
    ]
