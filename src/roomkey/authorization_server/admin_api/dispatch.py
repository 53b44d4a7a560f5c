"""From an HTTP request to a command and back: authenticate, deserialize, perform, answer or report the problem."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.admin_api.authenticate import authenticate, token_key
from roomkey.authorization_server.admin_api.problem import problem_answer
from roomkey.authorization_server.commands.command import Command, path_fields, required_in_body, revealed
from roomkey.authorization_server.commands.fields import bare, convert, hints_of
from roomkey.authorization_server.errors import DatabaseUnavailable, Invalid, NotFound, ServiceError
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import Endpoint
from roomkey.authorization_server.web.oauth_error import OAuthError
from roomkey.authorization_server.web.request_response import JSON, NO_STORE, BufferedRequest, RawResponse
from roomkey.jose import strict_json

_log = logging.getLogger("roomkey.authorization_server")
_MOST_PARAMETERS: Final = 100
_NUMBERS: Final = 12


class TooMany(ServiceError):
    """One caller asks for too much at once."""

    code = "too_many"
    status = 429


def endpoint(service: Service, limit: ConcurrencyLimit, commands: Mapping[str, type[Command[Any]]]) -> Endpoint:
    """The endpoint of one path; ``commands`` by their method."""

    async def answer(request: BufferedRequest) -> RawResponse:
        try:
            return await _answered(service, limit, commands[request.method], request)
        except DatabaseUnavailable as error:
            _log.error("%s", error)
            return problem_answer(DatabaseUnavailable("The service cannot answer now."))
        except ServiceError as error:
            return problem_answer(error)
        except OAuthError:
            return problem_answer(TooMany("Too many requests at once; try again later."))

    return Endpoint(answer, methods=frozenset(commands))


async def _answered(
    service: Service, limit: ConcurrencyLimit, kind: type[Command[Any]], request: BufferedRequest
) -> RawResponse:
    key = token_key(request)

    def perform(uow: UnitOfWork) -> bytes:
        # One transaction: who loses a right at this moment either has done this before, or does not do it.
        actor = authenticate(uow, key, kind.declaration, address=request.address)
        result = deserialize(kind, request)(dataclasses.replace(uow, actor=actor))
        return msgspec.json.encode(result, enc_hook=revealed)

    transaction = service.view if kind.declaration.reads else service.perform
    with limit.slot(key.hex()):
        return RawResponse(kind.declaration.status, await transaction(SERVICE, perform), (JSON, NO_STORE))


def deserialize(kind: type[Command[Any]], request: BufferedRequest) -> Command[Any]:
    """The command of ``kind`` in a request: path, then query (of a GET) or body. Raises Invalid, NotFound.

    Nothing is missing, unknown or converted: nobody sets what they are not asked for (auth service 43).
    """
    in_path = path_fields(kind)
    if kind.declaration.method == "GET":
        given = _query(kind, request.scope["query_string"])
        if request.content:
            raise Invalid("This operation takes no body.")
    else:
        if request.scope["query_string"]:
            raise Invalid("This operation takes no parameters in its URL.")
        given = _body(kind, request)
    for name in in_path:
        if name in given:
            raise Invalid(f"There is no member {name} to give here.")
    try:
        return convert({**given, **request.path_params}, kind)
    except Invalid as error:
        if error.field in in_path:
            raise NotFound("There is nothing of this name.") from None
        raise


def _body(kind: type[Command[Any]], request: BufferedRequest) -> dict[str, Any]:
    if not request.content and not required_in_body(kind):
        return {}
    types = request.header_values(b"content-type")
    if len(types) != 1 or types[0].partition(b";")[0].strip().lower() != b"application/json":
        raise Invalid("The body must be application/json.")
    document = strict_json.read_object(request.content)
    if document is None:
        raise Invalid("The body is not one JSON object in UTF-8, or it has a member twice.")
    return document


def _query(kind: type[Command[Any]], query: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except ValueError:
        raise Invalid("The parameters of the URL cannot be read.") from None
    given = dict(pairs)
    if len(given) != len(pairs):
        raise Invalid("A parameter stands in the URL twice.")
    hints = hints_of(kind)
    return {name: _typed(bare(hints[name]) if name in hints else str, text) for name, text in given.items()}


def _typed(kind: Any, text: str) -> Any:
    """A parameter as the JSON that it stands for; one that stands for nothing of its type stays a string."""
    if kind is int and text.isascii() and text.isdecimal() and len(text) <= _NUMBERS:
        return int(text)
    if kind is bool and text in ("true", "false"):
        return text == "true"
    return text
