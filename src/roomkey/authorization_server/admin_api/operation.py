"""What can be asked of the admin API: each operation a value, from which its route and its description are made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork

READ: Final = "admin:read"
WRITE: Final = "admin:write"


@dataclass(frozen=True, slots=True)
class Nothing:
    """No parameters, or no body."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was understood.

    Attributes:
        path: the parameters of the address.
        query: those behind the question mark, as the operation declares them.
        body: the body, as the operation declares it.
    """

    path: Mapping[str, str]
    query: Any
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that can be asked.

    Attributes:
        method: GET, POST or PATCH.
        path: below ``/api/v1``, in the form of Starlette's routes; ``:whole`` lets a parameter hold slashes.
        name: its operationId.
        summary: a sentence.
        permissions: one of which the account's roles must give.
        act: what does it, in one transaction.
        answer: the type of what it answers.
        query: the type of its parameters.
        body: the type of its body.
        status: of a good answer.
    """

    method: str
    path: str
    name: str
    summary: str
    permissions: tuple[Permission, ...]
    act: Callable[[UnitOfWork, Asked], Any] = field(repr=False)
    answer: Any
    query: type = Nothing
    body: type = Nothing
    status: int = 200

    @property
    def scope(self) -> str:
        """What the token must allow."""
        return READ if self.method == "GET" else WRITE
