"""Hostile strings in every field of every command, on both databases: rejected or stored, and never a failure."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.authorization_server.accounts.conftest import Acting
from tests.authorization_server.oauth_service import OAuthService

from roomkey.authorization_server.accounts.apis.commands import ChangeApi, CreateApi
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.audit.verify import find_break
from roomkey.authorization_server.commands.command import NOUNS, Command, commands_of
from roomkey.authorization_server.commands.fields import bare, convert, hints_of
from roomkey.authorization_server.commands.terminal import element_of
from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.identity.commands import CreateUser
from roomkey.authorization_server.service import Service

HOSTILE = {
    "NUL": "a\x00b",
    "half a pair": "a\ud800b",
    "1 MB": "a" * 1_000_000,
    "right to left": "a\u202egpj.exe",
    "script": "<script>alert(1)</script>",
    "formula": "=cmd|' /C calc'!A0",
    "two lines": "a\r\nSet-Cookie: b=c",
    "quotes": "a'; DROP TABLE users; --",
    "empty": "",
}
# Valid values of the fields that commands require, and of those whose items are objects.
VALID: dict[str, Any] = {
    "client_id": "reports",
    "audience": "orders-api",
    "scopes": ["orders:read"],
    "lifetime": 3600,
    "id": "tok_x",
    "name": "acme",
    "user": "alice",
    "username": "bob",
    "kid": "key_x",
    "family": "fam_x",
}
OF_APIS = {"scopes": [{"name": "orders:read"}]}
OBJECTS = {
    "apis": lambda text: ([{"audience": text, "scopes": ["a"]}], [{"audience": "orders-api", "scopes": [text]}]),
    "scopes": lambda text: ([{"name": text}], [{"name": "a", "description": text}]),
    "add_scopes": lambda text: ([{"name": text}], [{"name": "a", "description": text}]),
}
# What a field needs beside it to be looked at.
WITH = {"jwks": {"authentication": "private_key_jwt"}, "redirect_uris": {"grants": ["authorization_code"]}}


def hostile_values(kind: type[Command[Any]], text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Values for a command, with the hostile ``text`` in one field after the other, and the field's name."""
    of_apis = OF_APIS if kind in (CreateApi, ChangeApi) else {}
    required = {one.name: (VALID | of_apis)[one.name] for one in msgspec.structs.fields(kind) if one.required}
    for field, hint in hints_of(kind).items():
        if field in OBJECTS and hasattr(element_of(bare(hint)), "__struct_fields__"):
            changes = OBJECTS[field](text)
        elif element_of(bare(hint)) is not None:
            changes = ([text],)
        else:
            changes = (text, f"1.{text}") if field == "after" else (text,)
        for change in changes:
            yield f"{kind.__name__}.{field}", required | WITH.get(field, {}) | {field: change}


@pytest.fixture
def acting(service: Service) -> Acting:
    made = Acting(service)
    made.api()
    made.account()
    made(CreateUser, username="alice")
    return made


@pytest.mark.parametrize("noun", NOUNS)
def test_no_command_fails_at_a_hostile_text(acting: Acting, noun: str):
    failures = []
    acts = [
        (f"{name} {word}", lambda uow, kind=kind, values=values: convert(values, kind)(uow))
        for kind in commands_of(noun)
        if "password" not in {one.name for one in msgspec.structs.fields(kind) if one.required}
        for word, text in HOSTILE.items()
        for name, values in hostile_values(kind, text)
    ]
    for name, act in acts:
        try:
            acting(act)
        except ServiceError as refusal:
            told = str(refusal)
            if len(told) > 1000 or "\x00" in told or "\n" in told or "\u202e" in told:
                failures.append((name, "its refusal repeats it"))
        except Exception as error:
            failures.append((name, type(error).__name__))
    assert failures == [], "\n".join(map(str, failures))
    with acting.service.look(Actor.console()) as uow:
        assert find_break(uow.connection) is None


@pytest.mark.parametrize("text", ["%00", "%ED%A0%80", "a" * 5000, "%E2%80%AE", "%0d%0aa"])
def test_no_public_list_fails_at_a_hostile_audience(oauth_on_each_database: OAuthService, text: str):
    assert oauth_on_each_database.ask("GET", f"/oauth2/deny-list?audience={text}").status_code in (400, 404)


def test_no_report_of_held_keys_fails_at_hostile_names(oauth_on_each_database: OAuthService):
    api = oauth_on_each_database.api
    for text in ("%00", "%ED%A0%80", "a" * 5000, "+".join("abc") * 10):
        answer = oauth_on_each_database.post("/oauth2/held-keys", f"kids={text}".encode(), api)
        assert answer.status_code in (200, 400, 422), (text, answer.text)
