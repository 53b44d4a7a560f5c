"""Requests for app tokens, to be read: people ask and decide in the backoffice."""

from dataclasses import dataclass
from typing import Final, Literal

from roomkey.authorization_server.accounts import token_requests
from roomkey.authorization_server.accounts.page import Page
from roomkey.authorization_server.accounts.token_requests import TokenRequest
from roomkey.authorization_server.admin_api.operation import Asked, Operation
from roomkey.authorization_server.admin_api.operations.paging import Paging
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestQuery(Paging):
    """A page of token requests, the newest first, in one state or in any."""

    state: Literal["pending", "approved", "refused", "collected", "withdrawn"] | None = None


def _requests(uow: UnitOfWork, asked: Asked) -> Page[TokenRequest]:
    query: RequestQuery = asked.query
    return token_requests.find(uow, after=query.after, limit=query.limit, state=query.state)


def _request(uow: UnitOfWork, asked: Asked) -> TokenRequest:
    return token_requests.get(uow, asked.path["id"])


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/token-requests",
        name="list_token_requests",
        summary="List the requests for app tokens; people ask and decide in the backoffice.",
        permissions=(Permission.APPROVE_TOKENS, Permission.READ_AUDIT),
        query=RequestQuery,
        answer=Page[TokenRequest],
        act=_requests,
    ),
    Operation(
        method="GET",
        path="/token-requests/{id}",
        name="get_token_request",
        summary="Show one request.",
        permissions=(Permission.APPROVE_TOKENS, Permission.READ_AUDIT),
        answer=TokenRequest,
        act=_request,
    ),
)
