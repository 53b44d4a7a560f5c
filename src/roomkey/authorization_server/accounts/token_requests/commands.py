"""Commands on requests for app tokens: request, approve or refuse, withdraw, collect the token once.

Only users request, withdraw and collect, and only users or the console decide: a service account that could do both
would make the approval of a second user worthless. The admin API reads them and does nothing else.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta
from sqlalchemy import insert, select, update

from roomkey.authorization_server.accounts.apis.model import Format
from roomkey.authorization_server.accounts.app_tokens.commands import CreatedAppToken, ForApi, Lifetime, issue
from roomkey.authorization_server.accounts.app_tokens.model import Order, checked_order, needs_approval
from roomkey.authorization_server.accounts.syntax import from_row, one_line, words
from roomkey.authorization_server.actor import ActorKind
from roomkey.authorization_server.audit.record import Subject
from roomkey.authorization_server.commands.command import Command, command
from roomkey.authorization_server.commands.fields import Account, Lookup, Scopes, Text, Typed
from roomkey.authorization_server.commands.paging import ListCommand, Page, newest_first, page_of
from roomkey.authorization_server.errors import Conflict, NotAllowed, NotFound
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import token_requests
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id

COLLECTABLE: Final = 7 * DAY
State = Literal["pending", "approved", "refused", "collected", "withdrawn"]
STATES: Final[tuple[str, ...]] = get_args(State)
_SEES_ALL: Final = (Permission.APPROVE_TOKENS, Permission.READ_AUDIT)
Id = Annotated[Lookup, Meta(description="The request's id: req_…"), Typed(metavar="ID", argument=True)]
Answer = Annotated[Text, Meta(description="A word to the user who asked.")]


@dataclass(frozen=True, slots=True)
class AppTokenRequest:
    """A request for an app token, and its outcome.

    Attributes:
        id: its name.
        client_id, audience, scopes, lifetime, token_format: of the app token that is asked for.
        note: what it is for.
        tenant: of the account.
        needed_approval: whether somebody else had to agree when it was made.
        state: one of ``STATES``.
        requested_by, requested_at: the user's id, and when.
        decided_by, decided_at: the user's id, or None where nobody had to decide or it was done on the console.
        answer: the words of the user who decided.
        app_token_id: of the token that was collected, or None.
    """

    id: str
    client_id: str
    audience: str
    scopes: tuple[str, ...]
    lifetime: int
    token_format: str
    note: str
    tenant: str | None
    needed_approval: bool
    state: str
    requested_by: str
    requested_at: int
    decided_by: str | None
    decided_at: int | None
    answer: str
    app_token_id: str | None

    def collectable(self, now: int) -> bool:
        """Whether the token can be collected at ``now``: it was agreed to, no longer than a week ago."""
        return self.state == "approved" and self.decided_at is not None and now < self.decided_at + COLLECTABLE


@command("token-request list", "GET /token-requests", permission=Permission.READ)
class ListTokenRequests(ListCommand[AppTokenRequest], frozen=True):
    """List the requests for app tokens.

    The newest first; who neither approves nor audits sees their own alone.
    """

    state: Annotated[State | None, Meta(description=", ".join(STATES) + "."), Typed(metavar="STATE")] = None
    own: Annotated[bool, Meta(description="Only those of the user who asks."), Typed(read="never")] = False

    def run(self, uow: UnitOfWork) -> Page[AppTokenRequest]:
        """The requests that the actor sees."""
        statement = select(token_requests)
        columns = token_requests.c
        if uow.actor.tenant is not None:
            statement = statement.where(columns.tenant == uow.actor.tenant)
        if self.own or not any(map(uow.actor.may, _SEES_ALL)):
            statement = statement.where(columns.requested_by == uow.actor.id)
        if self.state is not None:
            statement = statement.where(columns.state == self.state)
        rows = uow.connection.execute(
            newest_first(statement, columns.requested_at, columns.id, after=self.after, limit=self.limit)
        ).all()
        return page_of(
            rows, self.limit, lambda shown: list(map(_request, shown)), lambda row: f"{row.requested_at}.{row.id}"
        )


@command("token-request show", "GET /token-requests/{id}", permission=Permission.READ)
class GetTokenRequest(Command[AppTokenRequest], frozen=True):
    """Show one request."""

    id: Id

    def run(self, uow: UnitOfWork) -> AppTokenRequest:
        """Raises NotFound where there is none that the actor sees."""
        return _visible(uow, self.id)


@command("token-request", "", permission=Permission.REQUEST_TOKENS, event="token_request.made")
class RequestAppToken(Command[AppTokenRequest], frozen=True):
    """Request an app token, whose lifetime begins when it is collected.

    It waits for approval where the API wants that, or the account belongs to somebody else; else it can be collected
    at once.
    """

    client_id: Account
    audience: ForApi
    scopes: Scopes
    lifetime: Lifetime
    token_format: Format | None = None
    note: Text = ""

    def run(self, uow: UnitOfWork) -> AppTokenRequest:
        """Raises NotFound, Invalid, NotAllowed, Conflict."""
        if uow.actor.kind is not ActorKind.USER:
            raise NotAllowed("Only users ask for app tokens.")
        order = _order(uow, self)
        waits = needs_approval(uow, order)
        id_ = new_id("req")
        uow.connection.execute(
            insert(token_requests).values(
                id=id_,
                client_id=self.client_id,
                audience=self.audience,
                scopes=" ".join(order.scopes),
                lifetime=self.lifetime,
                token_format=order.token_format,
                note=one_line(self.note),
                tenant=order.account.tenant,
                needed_approval=int(waits),
                state="pending" if waits else "approved",
                requested_by=uow.actor.id,
                requested_at=uow.now,
                decided_at=None if waits else uow.now,
            )
        )
        made = _visible(uow, id_)
        self.record(uow, _subject(made), **_audited(made), lifetime=made.lifetime, state=made.state, note=made.note)
        return made


@command("token-request approve", "", permission=Permission.APPROVE_TOKENS, event="token_request.approved")
class ApproveTokenRequest(Command[AppTokenRequest], frozen=True):
    """Agree to a request.

    The user who asked collects the token in the backoffice within a week.
    """

    id: Id
    answer: Answer = ""

    def run(self, uow: UnitOfWork) -> AppTokenRequest:
        """Nobody agrees to a request of their own, whatever their roles are. Raises NotFound, NotAllowed, Conflict."""
        return _decide(self, uow, "approved")


@command("token-request refuse", "", permission=Permission.APPROVE_TOKENS, event="token_request.refused")
class RefuseTokenRequest(Command[AppTokenRequest], frozen=True):
    """Refuse a request."""

    id: Id
    answer: Answer = ""

    def run(self, uow: UnitOfWork) -> AppTokenRequest:
        """Raises NotFound, NotAllowed, Conflict."""
        return _decide(self, uow, "refused")


@command("token-request", "", permission=Permission.REQUEST_TOKENS, event="token_request.withdrawn")
class WithdrawTokenRequest(Command[AppTokenRequest], frozen=True):
    """Withdraw one's own request before the token is collected."""

    id: Id

    def run(self, uow: UnitOfWork) -> AppTokenRequest:
        """Raises NotFound, NotAllowed, Conflict."""
        found = _own(uow, self.id)
        _move(uow, found, ("pending", "approved"), "withdrawn")
        self.record(uow, _subject(found))
        return _visible(uow, self.id)


@command("token-request", "", permission=Permission.REQUEST_TOKENS, event="app_token.collected")
class CollectAppToken(Command[CreatedAppToken], frozen=True):
    """Make the token that was agreed to and show it to the user who asked, once."""

    id: Id

    def run(self, uow: UnitOfWork) -> CreatedAppToken:
        """All that was asked for must still be allowed. Raises NotFound, NotAllowed, Invalid, Conflict."""
        found = _own(uow, self.id)
        if found.state == "approved" and not found.collectable(uow.now):
            raise Conflict("The approval is more than a week old; ask again.")
        order = _order(uow, found)
        if needs_approval(uow, order) and not found.needed_approval:
            raise Conflict("When you asked, nobody had to give their approval, and now somebody has to; ask again.")
        _move(uow, found, ("approved",), "collected")
        made = issue(uow, order, owner_id=uow.actor.id)
        which = token_requests.c.id == self.id
        uow.connection.execute(update(token_requests).where(which).values(app_token_id=made.app_token.id))
        self.record(
            uow,
            Subject("app_token", made.app_token.id, found.tenant),
            token_request=self.id,
            approved_by=found.decided_by,
            hint=made.app_token.hint,
            expires_at=made.app_token.expires_at,
            **_audited(found),
        )
        return made


def _order(uow: UnitOfWork, request: RequestAppToken | AppTokenRequest) -> Order:
    return checked_order(
        uow,
        client_id=request.client_id,
        audience=request.audience,
        scopes=request.scopes,
        lifetime=request.lifetime,
        token_format=request.token_format,
    )


def _decide(act: ApproveTokenRequest | RefuseTokenRequest, uow: UnitOfWork, state: str) -> AppTokenRequest:
    if uow.actor.kind is ActorKind.SERVICE_ACCOUNT:
        raise NotAllowed("Only users approve or refuse requests.")
    found = _visible(uow, act.id)
    if uow.actor.kind is ActorKind.USER and found.requested_by == uow.actor.id:
        raise NotAllowed("Nobody decides on a request of their own; somebody else has to.")
    decided_by = uow.actor.id if uow.actor.kind is ActorKind.USER else None
    answer = one_line(act.answer)
    _move(uow, found, ("pending",), state, decided_by=decided_by, decided_at=uow.now, answer=answer)
    act.record(uow, _subject(found), answer=answer, requested_by=found.requested_by)
    return _visible(uow, act.id)


def _move(uow: UnitOfWork, found: AppTokenRequest, before: tuple[str, ...], after: str, **values: Any) -> None:
    """Move it from one state to the next in one statement: of two who try at once, one succeeds."""
    statement = (
        update(token_requests)
        .where(token_requests.c.id == found.id, token_requests.c.state.in_(before))
        .values(state=after, **values)
    )
    if uow.connection.execute(statement).rowcount != 1:
        raise Conflict(f"The request is {_visible(uow, found.id).state}; it cannot become {after}.")


def _own(uow: UnitOfWork, id_: str) -> AppTokenRequest:
    found = _visible(uow, id_)
    if uow.actor.kind is not ActorKind.USER or found.requested_by != uow.actor.id:
        raise NotAllowed("The request is not yours.")
    return found


def _visible(uow: UnitOfWork, id_: str) -> AppTokenRequest:
    row = uow.connection.execute(select(token_requests).where(token_requests.c.id == id_)).first()
    if row is not None and uow.actor.sees(row.tenant):
        own = uow.actor.kind is ActorKind.USER and row.requested_by == uow.actor.id
        if own or any(map(uow.actor.may, _SEES_ALL)):
            return _request(row)
    raise NotFound("There is no such request.")


def _request(row: Any) -> AppTokenRequest:
    return from_row(AppTokenRequest, row, scopes=words(row.scopes), needed_approval=bool(row.needed_approval))


def _subject(found: AppTokenRequest) -> Subject:
    return Subject("token_request", found.id, found.tenant)


def _audited(found: AppTokenRequest) -> dict[str, Any]:
    return {"client_id": found.client_id, "audience": found.audience, "scopes": " ".join(found.scopes)}
