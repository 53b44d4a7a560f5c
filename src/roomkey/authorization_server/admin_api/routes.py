"""The addresses of the admin API, each with the operations that it takes, and its description."""

from typing import Final

from starlette.routing import BaseRoute, Route

from roomkey import __version__
from roomkey.authorization_server.admin_api.door import endpoint
from roomkey.authorization_server.admin_api.openapi import PREFIX, document
from roomkey.authorization_server.admin_api.operation import Operation
from roomkey.authorization_server.admin_api.operations import apis, app_tokens, others, service_accounts
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.web.crowd import Crowd
from roomkey.authorization_server.web.endpoint import Answer, Endpoint, Received, encoded

OPERATIONS: Final[tuple[Operation, ...]] = (
    *apis.OPERATIONS,
    *service_accounts.OPERATIONS,
    *app_tokens.OPERATIONS,
    *others.OPERATIONS,
)


def routes(service: Service) -> list[BaseRoute]:
    """Everything below ``/api/v1``."""
    crowd = Crowd()
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    described = encoded(document(OPERATIONS, issuer=service.settings.issuer, version=__version__))

    async def describe(_: Received) -> Answer:
        headers = ((b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300"))
        return Answer(200, described, headers)

    return [
        Route(f"{PREFIX}/openapi.json", Endpoint(describe, methods=frozenset({"GET"}))),
        *(Route(PREFIX + path, endpoint(service, crowd, operations)) for path, operations in by_path.items()),
    ]
