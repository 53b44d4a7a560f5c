"""The addresses of the admin API, each with the operations that it takes, and its description."""

from typing import Final

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import BaseRoute, Route

from roomkey import __version__
from roomkey.authorization_server.admin_api.door import endpoint
from roomkey.authorization_server.admin_api.openapi import PREFIX, document
from roomkey.authorization_server.admin_api.operation import Operation
from roomkey.authorization_server.admin_api.operations import (
    apis,
    app_tokens,
    audit_events,
    keys,
    service_accounts,
    tenants,
    token_requests,
    users,
)
from roomkey.authorization_server.admin_api.problem import problem_answer
from roomkey.authorization_server.errors import NotFound
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import Endpoint
from roomkey.authorization_server.web.request_response import BufferedRequest, RawResponse, encode_json

OPERATIONS: Final[tuple[Operation, ...]] = (
    *apis.OPERATIONS,
    *service_accounts.OPERATIONS,
    *app_tokens.OPERATIONS,
    *tenants.OPERATIONS,
    *token_requests.OPERATIONS,
    *users.OPERATIONS,
    *keys.OPERATIONS,
    *audit_events.OPERATIONS,
)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Whole(Convertor[str]):
    """A parameter that may hold slashes, and whatever else: Starlette's own ``path`` stops at a line end."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        """The text as it is."""
        return value

    def to_string(self, value: str) -> str:
        """The text as it is."""
        return value


register_url_convertor("whole", Whole())


def routes(service: Service) -> list[BaseRoute]:
    """Everything below ``/api/v1``."""
    limit = ConcurrencyLimit()
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    described = encode_json(document(OPERATIONS, issuer=service.settings.issuer, version=__version__))

    async def describe(_: BufferedRequest) -> RawResponse:
        headers = ((b"content-type", b"application/json"), (b"cache-control", b"public, max-age=300"))
        return RawResponse(200, described, headers)

    async def refuse(_: BufferedRequest) -> RawResponse:
        return problem_answer(NotFound("There is nothing at this address; see /api/v1/openapi.json."))

    return [
        Route(f"{PREFIX}/openapi.json", Endpoint(describe, methods=frozenset({"GET"}))),
        *(Route(PREFIX + path, endpoint(service, limit, operations)) for path, operations in by_path.items()),
        Route(PREFIX + "/{rest:whole}", Endpoint(refuse, methods=_METHODS)),
    ]
