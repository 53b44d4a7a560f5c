"""From a request to an operation and back: who asks, what, and the answer or the problem."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any, Final

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.admin_api.caller import caller, token_key
from roomkey.authorization_server.admin_api.operation import Asked, Operation
from roomkey.authorization_server.admin_api.problem import problem_answer
from roomkey.authorization_server.admin_api.reading import read_body, read_query
from roomkey.authorization_server.errors import DatabaseUnavailable, NotFound, ServiceError
from roomkey.authorization_server.plain import plain
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import Endpoint
from roomkey.authorization_server.web.oauth_error import OAuthError
from roomkey.authorization_server.web.request_response import BufferedRequest, RawResponse, json_response

_log = logging.getLogger("roomkey.authorization_server")
_UNNAMED: Final = "There is nothing of this name."


class TooMany(ServiceError):
    """One caller asks for too much at once."""

    code = "too_many"
    status = 429


def endpoint(service: Service, limit: ConcurrencyLimit, operations: Mapping[str, Operation]) -> Endpoint:
    """What answers at one address; ``operations`` by their method."""

    async def answer(request: BufferedRequest) -> RawResponse:
        try:
            return await _answered(service, limit, operations[request.method], request)
        except DatabaseUnavailable as error:
            _log.error("%s", error)
            return problem_answer(DatabaseUnavailable("The service cannot answer now."))
        except ServiceError as error:
            return problem_answer(error)
        except OAuthError:
            return problem_answer(TooMany("Too many requests at once; try again later."))

    return Endpoint(answer, methods=frozenset(operations))


async def _answered(
    service: Service, limit: ConcurrencyLimit, operation: Operation, request: BufferedRequest
) -> RawResponse:
    key = token_key(request)

    def job(uow: UnitOfWork) -> Any:
        # One transaction: whoever loses a right at this moment either has done this before, or does not do it.
        actor = caller(uow, key, operation, address=request.address)
        asked = _understood(operation, request)
        return plain(operation.act(dataclasses.replace(uow, actor=actor), asked))

    perform = service.view if operation.method == "GET" else service.perform
    with limit.slot(key.hex()):
        return json_response(await perform(SERVICE, job), operation.status)


def _understood(operation: Operation, request: BufferedRequest) -> Asked:
    if any("\x00" in value for value in request.path_params.values()):
        raise NotFound(_UNNAMED)
    types = request.header_values(b"content-type")
    body: Any = read_body(operation.body, request.content, types[0] if len(types) == 1 else b"")
    return Asked(request.path_params, read_query(operation.query, request.scope["query_string"]), body)
