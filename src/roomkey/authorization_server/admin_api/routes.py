"""The routes of the admin API, each with the commands that it takes, and its description."""

from typing import Any, Final

import msgspec
from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import BaseRoute, Route

from roomkey import __version__
from roomkey.authorization_server.admin_api.dispatch import endpoint
from roomkey.authorization_server.admin_api.openapi import PREFIX, document
from roomkey.authorization_server.admin_api.problem import problem_answer
from roomkey.authorization_server.commands.command import Command, all_commands
from roomkey.authorization_server.errors import NotFound
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import Endpoint
from roomkey.authorization_server.web.request_response import JSON, BufferedRequest, RawResponse

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


def offered() -> tuple[type[Command[Any]], ...]:
    """The commands that the admin API has."""
    return tuple(kind for kind in all_commands() if kind.declaration.path)


def routes(service: Service) -> list[BaseRoute]:
    """Everything below ``/api/v1``."""
    limit = ConcurrencyLimit()
    by_path: dict[str, dict[str, type[Command[Any]]]] = {}
    for kind in offered():
        by_path.setdefault(kind.declaration.path, {})[kind.declaration.method] = kind
    # Where a parameter may hold slashes, the path that goes on behind it is tried first.
    paths = sorted(by_path, key=lambda path: path.endswith(":whole}"))
    described = msgspec.json.encode(document(offered(), issuer=service.settings.issuer, version=__version__))

    async def describe(_: BufferedRequest) -> RawResponse:
        return RawResponse(200, described, (JSON, (b"cache-control", b"public, max-age=300")))

    async def reject(_: BufferedRequest) -> RawResponse:
        return problem_answer(NotFound("There is nothing at this path; see /api/v1/openapi.json."))

    return [
        Route(f"{PREFIX}/openapi.json", Endpoint(describe, methods=frozenset({"GET"}))),
        *(Route(PREFIX + path, endpoint(service, limit, by_path[path])) for path in paths),
        Route(PREFIX + "/{rest:whole}", Endpoint(reject, methods=_METHODS)),
    ]
