"""Commands: an act of administration as a frozen value, and the registry of all of them.

The admin API (``admin_api``), the command line (``cli.admin``) and the forms of the backoffice (``commands.form``) are
made from the declaration: its fields, its docstring, and what ``@command`` is given.
"""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, TypeVar, get_type_hints

import msgspec

from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.commands.fields import Value
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.secret_format import GeneratedSecret
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.secret import Secret

Result = TypeVar("Result")
Made = TypeVar("Made", bound="type[Command[Any]]")
_SERVER: Final = "roomkey.authorization_server"
# Where the commands of a noun are declared. A module is imported when its noun is asked for: this is most of the time
# that a command line takes.
NOUNS: Final = {
    "api": f"{_SERVER}.accounts.apis.commands",
    "service-account": f"{_SERVER}.accounts.service_accounts.commands",
    "app-token": f"{_SERVER}.accounts.app_tokens.commands",
    "token-request": f"{_SERVER}.accounts.token_requests.commands",
    "tenant": f"{_SERVER}.accounts.tenants.commands",
    "user": f"{_SERVER}.identity.commands",
    "keys": f"{_SERVER}.keys.commands",
    "audit": f"{_SERVER}.audit.commands",
    "family": f"{_SERVER}.tokens.commands",
}
_declared: "dict[str, list[type[Command[Any]]]]" = {noun: [] for noun in NOUNS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """The facts of a command that are not its fields.

    Attributes:
        noun, verb: its name on the command line; the verb is empty where the command line does not have it.
        method, path: its route below ``/api/v1``; empty where the admin API does not have it.
        permissions: one of which the actor must have.
        event: the action of its audit event; empty where it only reads.
        status: of a successful response.
        reads: whether it changes nothing.
    """

    noun: str
    verb: str
    method: str
    path: str
    permissions: tuple[Permission, ...]
    event: str
    status: int
    reads: bool


class Command(Value, Generic[Result], frozen=True):
    """An act: its fields are what it is given, ``run`` does it. ``some_command(uow)`` is the way to perform one."""

    declaration: ClassVar[Declaration]

    def __call__(self, uow: UnitOfWork) -> Result:
        """Check the actor's permission, then run. Raises NotAllowed and what ``run`` raises."""
        uow.demand(*self.declaration.permissions)
        if not self.declaration.reads:
            uow.lock_admin_changes()  # before any row is read: of two acts at once, the second sees what the first did
        return self.run(uow)

    def run(self, uow: UnitOfWork) -> Result:
        """Perform the act in the transaction ``uow``; the permission was checked."""
        raise NotImplementedError

    def record(self, uow: UnitOfWork, subject: Subject, **details: Any) -> None:
        """Write the audit event of this command; ``details`` hold no secrets."""
        record_event(uow, self.declaration.event, subject, **details)


def command(
    words: str, route: str, *, permission: Permission | tuple[Permission, ...], event: str = "", status: int = 200
) -> Callable[[Made], Made]:
    """Declare a command.

    Parameters:
        words: noun and verb on the command line, such as ``api list``; the noun alone where it is not offered there.
        route: method and path of the admin API, such as ``GET /apis``; a path parameter is the field of this name.
            Empty where it is not offered there.
        permission: one of which the actor must have.
        event: the action of its audit event, such as ``api.created``; without one it only reads.
        status: of a successful response.
    """
    noun, _, verb = words.partition(" ")
    method, _, path = route.partition(" ")

    def declare(kind: Made) -> Made:
        kind.declaration = Declaration(
            noun=noun,
            verb=verb,
            method=method,
            path=path,
            permissions=permission if isinstance(permission, tuple) else (permission,),
            event=event,
            status=status,
            reads=not event,
        )
        _declared[noun].append(kind)
        return kind

    return declare


def commands_of(noun: str) -> "tuple[type[Command[Any]], ...]":
    """The commands of ``noun``; imports their module where it was not imported yet."""
    importlib.import_module(NOUNS[noun])
    return tuple(_declared[noun])


def all_commands() -> "tuple[type[Command[Any]], ...]":
    """The commands of all nouns."""
    return tuple(kind for noun in NOUNS for kind in commands_of(noun))


def name_of(kind: "type[Command[Any]]") -> str:
    """The name of a command in OpenAPI: ``create_api`` for ``CreateApi``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def summary_of(kind: type) -> str:
    """The first line of a docstring."""
    return (kind.__doc__ or "").strip().partition("\n")[0]


def result_of(kind: "type[Command[Any]]") -> Any:
    """The type of what ``run`` returns."""
    return get_type_hints(kind.run)["return"]


def required_in_body(kind: "type[Command[Any]]") -> bool:
    """Whether a request without a body lacks something."""
    return any(one.required and one.name not in path_fields(kind) for one in msgspec.structs.fields(kind))


def revealed(value: Any) -> str:
    """The text of a secret in a result, for the one response that shows it."""
    if isinstance(value, GeneratedSecret):
        return value.value
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value).__name__)


def path_fields(kind: "type[Command[Any]]") -> tuple[str, ...]:
    """The fields that stand in the path of its route."""
    return tuple(re.findall(r"\{(\w+)(?::\w+)?\}", kind.declaration.path))
