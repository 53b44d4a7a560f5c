"""The OpenAPI document of the admin API as it is served: a file for each resource, and the rest in three.

Error responses that are the same everywhere stand in ``responses.json`` alone; an operation lists their status codes.

Renew with ``pytest tests/golden --update-golden``.
"""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.golden.command import Command
from tests.golden.conftest import Golden
from tests.golden.normalise import Normaliser, laid_out


@pytest.mark.slow
def test_the_openapi_document_is_as_it_was(golden: Golden, tmp_path: Path) -> None:
    command = Command(tmp_path / "home")
    with command.serve("--data", "data") as issuer:
        answer = httpx2.get(f"{issuer}/api/v1/openapi.json")
    assert answer.status_code == 200
    document = answer.json()
    parts: dict[str, Any] = {"responses": {}}
    for path, operations in document.pop("paths").items():
        for operation in operations.values():
            operation["responses"] = shortened(operation["responses"], parts["responses"])
        resource = re.split(r"[/{]", path.removeprefix("/api/v1/"))[0]
        parts.setdefault(f"paths_{resource}", {})[path] = operations
    parts["schemas"] = document["components"].pop("schemas")
    parts["document"] = document
    normaliser = Normaliser({"issuer": issuer})
    golden.check("openapi", {f"{name}.json": laid_out(normaliser.value(part)) + "\n" for name, part in parts.items()})


def shortened(responses: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """``responses`` with only the status codes of those that are in ``shared``, where error responses are put."""
    same = [
        status
        for status, response in responses.items()
        if status >= "4" and shared.setdefault(status, response) == response
    ]
    own = {status: response for status, response in responses.items() if status not in same}
    return own | {"as in responses.json": sorted(same)}
