"""The OpenAPI 3.1 document of the admin API, made from the declared operations (pure)."""

import dataclasses
import re
from collections.abc import Iterable
from typing import Any, Final, get_type_hints

from roomkey.authorization_server.admin_api.operation import READ, WRITE, Operation
from roomkey.authorization_server.admin_api.problem import STATUSES, Problem
from roomkey.authorization_server.admin_api.schemas import Schemas

PREFIX: Final = "/api/v1"
_PARAMETER: Final = re.compile(r"\{(\w+)(?::whole)?\}")


def document(operations: Iterable[Operation], *, issuer: str, version: str) -> dict[str, Any]:
    """The document for a service that is called ``issuer``."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = PREFIX + _PARAMETER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _described(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "roomkey admin API",
            "version": version,
            "description": "What the backoffice does, for service accounts that have a role of the service and a token "
            "for the audience roomkey-admin. An account gives others at most what it has itself.",
        },
        "servers": [{"url": issuer}],
        "paths": paths,
        "components": {
            "schemas": schemas.by_name,
            "securitySchemes": {
                "service_account": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {
                            "tokenUrl": f"{issuer}/oauth2/token",
                            "scopes": {READ: "See what the roles allow.", WRITE: "Change what the roles allow."},
                        }
                    },
                }
            },
        },
    }


def _described(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": schemas.of(Problem)}}
    good = {
        "description": "Done.",
        "content": {"application/json": {"schema": schemas.of(operation.answer)}},
    }
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"Needs one of: {', '.join(one.value for one in operation.permissions)}.",
        "security": [{"service_account": [operation.scope]}],
        "parameters": [*_path(operation), *_query(operation, schemas)],
        "responses": {str(operation.status): good}
        | {str(status): {"description": words, "content": problem} for status, words in STATUSES.items()},
    }
    if dataclasses.fields(operation.body):
        schema = schemas.of(operation.body)
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _path(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PARAMETER.findall(operation.path)
    ]


def _query(operation: Operation, schemas: Schemas) -> list[dict[str, Any]]:
    hints = get_type_hints(operation.query)
    return [
        {
            "name": one.name,
            "in": "query",
            "required": one.default is dataclasses.MISSING,
            "schema": _present(schemas.of(hints[one.name])),
        }
        for one in dataclasses.fields(operation.query)
    ]


def _present(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be absent is a text or a number where it is there: no address can say null."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    return kinds[0] if len(kinds) == 1 else schema
