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
from roomkey.authorization_server.web.endpoint import Answer, Endpoint, Received, json_answer
from roomkey.authorization_server.web.oauth_error import OAuthError

_log = logging.getLogger("roomkey.authorization_server")
_UNNAMED: Final = "There is nothing of this name."


class TooMany(ServiceError):
    """One caller asks for too much at once."""

    code = "too_many"
    status = 429


def endpoint(service: Service, crowd: ConcurrencyLimit, operations: Mapping[str, Operation]) -> Endpoint:
    """What answers at one address; ``operations`` by their method."""

    async def answer(received: Received) -> Answer:
        try:
            return await _answered(service, crowd, operations[received.method], received)
        except DatabaseUnavailable as error:
            _log.error("%s", error)
            return problem_answer(DatabaseUnavailable("The service cannot answer now."))
        except ServiceError as error:
            return problem_answer(error)
        except OAuthError:
            return problem_answer(TooMany("Too many requests at once; try again later."))

    return Endpoint(answer, methods=frozenset(operations))


async def _answered(service: Service, crowd: ConcurrencyLimit, operation: Operation, received: Received) -> Answer:
    key = token_key(received)

    def job(uow: UnitOfWork) -> Any:
        # One transaction: whoever loses a right at this moment either has done this before, or does not do it.
        actor = caller(uow, key, operation, address=received.address)
        asked = _understood(operation, received)
        return plain(operation.act(dataclasses.replace(uow, actor=actor), asked))

    perform = service.view if operation.method == "GET" else service.perform
    with crowd.place(key.hex()):
        return json_answer(await perform(SERVICE, job), operation.status)


def _understood(operation: Operation, received: Received) -> Asked:
    if any("\x00" in value for value in received.path.values()):
        raise NotFound(_UNNAMED)
    types = received.values(b"content-type")
    body: Any = read_body(operation.body, received.body, types[0] if len(types) == 1 else b"")
    return Asked(received.path, read_query(operation.query, received.query), body)
