"""Requests for app tokens: asked by one person, agreed to by another where that is needed, collected once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import insert, select, update

from roomkey.authorization_server.accounts import app_tokens
from roomkey.authorization_server.accounts.app_token import checked_order, needs_approval
from roomkey.authorization_server.accounts.app_tokens import NewAppToken
from roomkey.authorization_server.accounts.bounds import demand_not_stronger
from roomkey.authorization_server.accounts.page import USUAL, Page, newest_first, page_of
from roomkey.authorization_server.accounts.syntax import checked_text, words
from roomkey.authorization_server.actor import ActorKind
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed, NotFound
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import token_requests
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id

COLLECTABLE: Final = 7 * DAY
STATES: Final = ("pending", "approved", "refused", "collected", "withdrawn")
_SEES_ALL: Final = (Permission.APPROVE_TOKENS, Permission.READ_AUDIT)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What somebody asked for, and what became of it.

    Attributes:
        id: its name.
        client_id, audience, scopes, lifetime, token_format: of the app token that is asked for.
        note: what it is for.
        tenant: of the account.
        needed_approval: whether somebody else had to agree when it was asked for.
        state: one of ``STATES``.
        requested_by, requested_at: the user's id, and when.
        decided_by, decided_at: the user's id, or None where nobody had to decide or it was done on the console.
        answer: what whoever decided said.
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


def request(
    uow: UnitOfWork,
    *,
    client_id: str,
    audience: str,
    scopes: Iterable[str],
    lifetime: int,
    token_format: str | None = None,
    note: str = "",
) -> TokenRequest:
    """Ask for an app token that lives ``lifetime`` seconds from its collection.

    It waits for approval where the API wants that, or the account belongs to somebody else; else it can be collected
    at once. Raises NotFound, Invalid, NotAllowed, Conflict.
    """
    uow.demand(Permission.REQUEST_TOKENS)
    if uow.actor.kind is not ActorKind.USER:
        raise NotAllowed("Only people ask for app tokens.")
    order = checked_order(
        uow, client_id=client_id, audience=audience, scopes=scopes, lifetime=lifetime, token_format=token_format
    )
    demand_not_stronger(uow, client_id, order.account.roles)
    waits = needs_approval(uow, order)
    id_ = new_id("req")
    uow.connection.execute(
        insert(token_requests).values(
            id=id_,
            client_id=client_id,
            audience=audience,
            scopes=" ".join(order.scopes),
            lifetime=lifetime,
            token_format=order.token_format,
            note=checked_text(note, "note"),
            tenant=order.account.tenant,
            needed_approval=int(waits),
            state="pending" if waits else "approved",
            requested_by=uow.actor.id,
            requested_at=uow.now,
            decided_at=None if waits else uow.now,
        )
    )
    made = _visible(uow, id_)
    details = {"client_id": client_id, "audience": audience, "scopes": " ".join(order.scopes), "lifetime": lifetime}
    record_event(uow, "token_request.made", _subject(made), state=made.state, note=made.note, **details)
    return made


def get(uow: UnitOfWork, id_: str) -> TokenRequest:
    """One request; raises NotFound where there is none that the actor sees."""
    uow.demand(Permission.READ)
    return _visible(uow, id_)


def find(
    uow: UnitOfWork, *, after: str | None = None, limit: int = USUAL, state: str | None = None, own: bool = False
) -> Page[TokenRequest]:
    """The requests that the actor sees, the newest first; in one state, or only their ``own``.

    Whoever neither approves nor audits sees their own alone.
    """
    uow.demand(Permission.READ)
    statement = select(token_requests)
    if uow.actor.tenant is not None:
        statement = statement.where(token_requests.c.tenant == uow.actor.tenant)
    if own or not any(map(uow.actor.may, _SEES_ALL)):
        statement = statement.where(token_requests.c.requested_by == uow.actor.id)
    if state is not None:
        if state not in STATES:
            raise Invalid(f"The state is one of {', '.join(STATES)}.", field="state")
        statement = statement.where(token_requests.c.state == state)
    columns = token_requests.c
    rows = uow.connection.execute(
        newest_first(statement, columns.requested_at, columns.id, after=after, limit=limit)
    ).all()
    return page_of(rows, limit, lambda shown: list(map(_request, shown)), lambda row: f"{row.requested_at}.{row.id}")


def approve(uow: UnitOfWork, id_: str, *, answer: str = "") -> TokenRequest:
    """Agree to a request of somebody else, whatever one's roles are. Raises NotFound, NotAllowed, Conflict."""
    return _decide(uow, id_, "approved", answer)


def refuse(uow: UnitOfWork, id_: str, *, answer: str = "") -> TokenRequest:
    """Refuse a request of somebody else. Raises NotFound, NotAllowed, Conflict."""
    return _decide(uow, id_, "refused", answer)


def withdraw(uow: UnitOfWork, id_: str) -> TokenRequest:
    """Take one's own request back before the token is collected. Raises NotFound, NotAllowed, Conflict."""
    found = _own(uow, id_)
    _move(uow, found, ("pending", "approved"), "withdrawn")
    record_event(uow, "token_request.withdrawn", _subject(found))
    return _visible(uow, id_)


def collect(uow: UnitOfWork, id_: str) -> NewAppToken:
    """Make the token that was agreed to and hand it to whoever asked, once.

    All that was asked for must still be allowed. Raises NotFound, NotAllowed, Invalid, Conflict.
    """
    uow.lock_admin_changes()
    found = _own(uow, id_)
    if found.state == "approved" and not found.collectable(uow.now):
        raise Conflict("The approval is more than a week old; ask again.")
    order = checked_order(
        uow,
        client_id=found.client_id,
        audience=found.audience,
        scopes=found.scopes,
        lifetime=found.lifetime,
        token_format=found.token_format,
    )
    demand_not_stronger(uow, found.client_id, order.account.roles)
    if needs_approval(uow, order) and not found.needed_approval:
        raise Conflict("When you asked, nobody had to give their approval, and now somebody has to; ask again.")
    _move(uow, found, ("approved",), "collected")
    made = app_tokens.issue(uow, order, owner_id=uow.actor.id)
    which = token_requests.c.id == id_
    uow.connection.execute(update(token_requests).where(which).values(app_token_id=made.app_token.id))
    subject = Subject("app_token", made.app_token.id, found.tenant)
    details = {"client_id": found.client_id, "audience": found.audience, "scopes": " ".join(found.scopes)}
    record_event(
        uow,
        "app_token.collected",
        subject,
        token_request=id_,
        approved_by=found.decided_by,
        hint=made.app_token.hint,
        expires_at=made.app_token.expires_at,
        **details,
    )
    return made


def _decide(uow: UnitOfWork, id_: str, state: str, answer: str) -> TokenRequest:
    uow.demand(Permission.APPROVE_TOKENS)
    if uow.actor.kind is ActorKind.SERVICE_ACCOUNT:
        raise NotAllowed("Only people approve or refuse requests.")
    found = _visible(uow, id_)
    if uow.actor.kind is ActorKind.USER and found.requested_by == uow.actor.id:
        raise NotAllowed("Nobody decides on a request of their own; somebody else has to.")
    decided_by = uow.actor.id if uow.actor.kind is ActorKind.USER else None
    said = checked_text(answer, "answer")
    _move(uow, found, ("pending",), state, decided_by=decided_by, decided_at=uow.now, answer=said)
    record_event(uow, f"token_request.{state}", _subject(found), answer=said, requested_by=found.requested_by)
    return _visible(uow, id_)


def _move(uow: UnitOfWork, found: TokenRequest, before: tuple[str, ...], after: str, **values: Any) -> None:
    """From one state to the next in one statement: of two who try at once, one succeeds."""
    statement = (
        update(token_requests)
        .where(token_requests.c.id == found.id, token_requests.c.state.in_(before))
        .values(state=after, **values)
    )
    if uow.connection.execute(statement).rowcount != 1:
        raise Conflict(f"The request is {_visible(uow, found.id).state}; it cannot become {after}.")


def _own(uow: UnitOfWork, id_: str) -> TokenRequest:
    uow.demand(Permission.REQUEST_TOKENS)
    found = _visible(uow, id_)
    if uow.actor.kind is not ActorKind.USER or found.requested_by != uow.actor.id:
        raise NotAllowed("The request is not yours.")
    return found


def _visible(uow: UnitOfWork, id_: str) -> TokenRequest:
    row = uow.connection.execute(select(token_requests).where(token_requests.c.id == id_)).first()
    if row is not None and uow.actor.sees(row.tenant):
        own = uow.actor.kind is ActorKind.USER and row.requested_by == uow.actor.id
        if own or any(map(uow.actor.may, _SEES_ALL)):
            return _request(row)
    raise NotFound("There is no such request.")


def _request(row: Any) -> TokenRequest:
    values = {name: getattr(row, name) for name in TokenRequest.__slots__}
    return TokenRequest(**values | {"scopes": words(row.scopes), "needed_approval": bool(row.needed_approval)})


def _subject(found: TokenRequest) -> Subject:
    return Subject("token_request", found.id, found.tenant)
