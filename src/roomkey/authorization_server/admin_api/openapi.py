"""The OpenAPI 3.1 document of the admin API, made from the declared commands; its JSON schemas are msgspec's (pure)."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from roomkey.authorization_server.admin_api.authenticate import READ, WRITE, permissions_of, scope_of
from roomkey.authorization_server.admin_api.problem import STATUSES, Problem
from roomkey.authorization_server.commands.command import (
    Command,
    name_of,
    path_fields,
    required_in_body,
    result_of,
    summary_of,
)

PREFIX: Final = "/api/v1"
_SCHEMA: Final = "#/components/schemas/"


def document(commands: Sequence[type[Command[Any]]], *, issuer: str, version: str) -> dict[str, Any]:
    """The document for a service whose issuer is ``issuer``."""
    results = [result_of(kind) for kind in commands]
    references, schemas = _schemas([Problem, *commands, *results])
    paths: dict[str, dict[str, Any]] = {}
    for kind, result in zip(commands, references[1 + len(commands) :], strict=True):
        path = PREFIX + re.sub(r":\w+\}", "}", kind.declaration.path)
        operation = _operation(kind, schemas.pop(kind.__name__), result, problem=references[0])
        paths.setdefault(path, {})[kind.declaration.method.lower()] = operation
        if "requestBody" in operation:
            schemas[kind.__name__] = operation.pop("body")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "roomkey admin API",
            "version": version,
            "description": "The commands of the backoffice, for service accounts that have a role of the service and a "
            "token for the audience roomkey-admin. An account gives others at most what it has itself.",
        },
        "servers": [{"url": issuer}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
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


def _schemas(kinds: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The references to ``kinds`` and the schemas by name; a page of users is ``UserPage``."""
    made = msgspec.json.schema_components(
        kinds, schema_hook=lambda _: {"type": "string"}, ref_template=_SCHEMA + "{name}"
    )
    references, schemas = json.loads(re.sub(r"\bPage_(\w+)_", r"\1Page", json.dumps(made)))
    for schema in schemas.values():
        schema.pop("title", None)
        schema["description"] = schema.get("description", "").partition("\n")[0]
    return references, schemas


def _operation(kind: type[Command[Any]], schema: dict[str, Any], result: Any, *, problem: Any) -> dict[str, Any]:
    """The operation of a command; its ``body``, where it has one, is the schema of that."""
    declared = kind.declaration
    in_path = path_fields(kind)
    properties = schema["properties"]
    parameters = [_parameter("path", name, properties.pop(name)) for name in in_path]
    schema["required"] = [name for name in schema.get("required", ()) if name not in in_path]
    if declared.method == "GET":
        parameters += [_parameter("query", name, property_) for name, property_ in properties.items()]
    operation = {
        "operationId": name_of(kind),
        "summary": summary_of(kind),
        "description": f"Needs one of: {', '.join(one.value for one in permissions_of(declared))}.",
        "security": [{"service_account": [scope_of(declared)]}],
        "parameters": parameters,
        "responses": {
            str(declared.status): {"description": "Done.", "content": {"application/json": {"schema": result}}}
        }
        | {
            str(status): {"description": words, "content": {"application/problem+json": {"schema": problem}}}
            for status, words in STATUSES.items()
        },
    }
    if declared.method != "GET" and properties:
        content = {"application/json": {"schema": {"$ref": _SCHEMA + kind.__name__}}}
        operation |= {"requestBody": {"required": required_in_body(kind), "content": content}, "body": schema}
    return operation


def _parameter(place: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter of the URL, which is never null: it is there or it is left out."""
    kinds = [one for one in schema.pop("anyOf", ()) if one != {"type": "null"}]
    for kind in kinds:
        schema |= kind
    description = schema.pop("description", "")
    if kinds or place == "path":
        schema.pop("default", None)
    if place == "path":
        schema["minLength"] = 1
    parameter = {"name": name, "in": place, "required": place == "path", "schema": schema}
    return parameter | ({"description": description} if description else {})
