"""The front desk: what needs attention, each one click from what mends it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from roomkey.authorization_server.accounts import apis, app_tokens, service_accounts
from roomkey.authorization_server.audit import search
from roomkey.authorization_server.backoffice.names import names_in
from roomkey.authorization_server.backoffice.page import Values, page, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.backoffice.time_words import duration, relative
from roomkey.authorization_server.health import alerts
from roomkey.authorization_server.health.alerts import Finding, Kind
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Need:
    """A row of the list: its status, what is wrong, what that means, and the click that mends it."""

    kind: str
    word: str
    title: str
    text: str
    href: str
    label: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step from an empty service to its first token."""

    title: str
    text: str
    done: bool
    href: str
    label: str
    now: bool = False


@page()
async def home(visit: Visit) -> Response:
    """The page."""

    def read(uow: UnitOfWork) -> Values:
        now = uow.now
        needs = [_WORDS[finding.kind](finding, now) for finding in alerts.find(uow)]
        events = search.find(uow, limit=5).items if uow.actor.may(Permission.READ_AUDIT) else ()
        values: Values = {"needs": needs, "events": events, "names": names_in(uow, events)}
        if uow.actor.may(Permission.READ):
            return values | {"steps": _steps(uow), "totals": alerts.count(uow)}
        return values | {"steps": (), "totals": None}

    values = await visit.view(read)
    count = len(values["needs"])
    lead = "All is well." if not count else "One thing needs you." if count == 1 else f"{count} things need you."
    return await show(visit, "home.html", lead=lead, **values)


ROUTES: list[BaseRoute] = [Route("/", home, methods=["GET"])]


def _steps(uow: UnitOfWork) -> tuple[Step, ...]:
    """What is still to be done before the first token; empty once there was one."""
    if app_tokens.find(uow, limit=1).items:
        return ()
    own = [api for api in apis.find(uow, limit=2).items if api.client_id != "roomkey-admin"]
    some = service_accounts.find(uow, limit=1).items
    steps = [
        Step("Describe an API", "Its name, and what may be allowed there.", bool(own), "/apis/~new", "New API"),
        Step(
            "Make a service account",
            "It stands for the app that calls the API.",
            bool(some),
            "/service-accounts/~new",
            "New service account",
        ),
        Step("Request a token", "You see it once.", done=False, href="/token-requests/~new", label="Request a token"),
    ]
    first = next(step for step in steps if not step.done)
    return tuple(Step(step.title, step.text, step.done, step.href, step.label, step is first) for step in steps)


def _chain(finding: Finding, _now: int) -> Need:
    text = "An entry was changed, moved or taken out behind the back of the service."
    return Need("bad", "broken", f"The audit log does not hold at {finding.name}", text, "/audit", "Look")


def _request(finding: Finding, _now: int) -> Need:
    text = f"{finding.about}, for {duration(finding.at or 0)}."
    return Need("wait", "waits", f"{finding.name} asks for a token", text, f"/token-requests/{finding.id}", "Answer")


def _collect(finding: Finding, now: int) -> Need:
    text = f"At {finding.about}. Approved {relative(finding.at or now, now)}; it waits a week."
    return Need("ok", "ready", f"A token for {finding.name} is approved", text, "/token-requests", "Collect it")


def _token_ends(finding: Finding, now: int) -> Need:
    title = f"App token {finding.name} of {finding.about} ends"
    word = relative(finding.at or now, now)
    return Need(
        "warn", word, title, "Rotate it before its app is refused.", f"/app-tokens/{finding.id}/rotate", "Rotate"
    )


def _owner_gone(finding: Finding, now: int) -> Need:
    used = f"It was last used {relative(finding.at, now)}." if finding.at else "Nobody has asked about it yet."
    title = f"The owner of app token {finding.name} of {finding.about} is disabled"
    return Need("warn", "no owner", title, used, f"/app-tokens/{finding.id}", "Look")


def _secret_ends(finding: Finding, now: int) -> Need:
    title = f"{finding.name} still uses the secret that ends"
    text = f"{finding.about} is the old one; the new one has not been used yet."
    return Need("warn", relative(finding.at or now, now), title, text, f"/service-accounts/{finding.id}", "Look")


def _key_overdue(finding: Finding, now: int) -> Need:
    text = f"It was due {relative(finding.at or now, now)}; does the service run all the time?"
    return Need(
        "warn", "overdue", f"The key for {finding.name} has signed for too long", text, "/keys/rotate", "Rotate"
    )


def _key_lacking(finding: Finding, now: int) -> Need:
    soon = f", and may sign {relative(finding.at, now)}" if finding.at else ""
    title = f"Not every API holds the key for {finding.name}"
    return Need("warn", "missing", title, f"{finding.about} lacks {finding.id}{soon}.", "/keys", "Look")


def _deny_list(finding: Finding, _now: int) -> Need:
    text = f"It names {finding.about}. APIs that follow a full one refuse all; shorter lifetimes keep it small."
    return Need("warn", f"{finding.id} %", "The deny list fills up", text, "/apis", "Look")


def _no_factor(finding: Finding, _now: int) -> Need:
    text = f"Signs in as {finding.about} with a password alone."
    return Need("warn", "risk", f"{finding.name} has no second factor", text, f"/users/{finding.id}", "Look")


def _unused(finding: Finding, now: int) -> Need:
    title = f"Nobody has used {finding.name} for {duration(alerts.UNUSED)}"
    text = f"Made {relative(finding.at or now, now)}. Disable what nobody needs."
    return Need("", "unused", title, text, f"/service-accounts/{finding.id}", "Look")


_WORDS: Final[dict[Kind, Callable[[Finding, int], Need]]] = {
    Kind.AUDIT_CHAIN: _chain,
    Kind.REQUEST_WAITS: _request,
    Kind.TOKEN_TO_COLLECT: _collect,
    Kind.APP_TOKEN_ENDS: _token_ends,
    Kind.OWNER_GONE: _owner_gone,
    Kind.SECRET_ENDS: _secret_ends,
    Kind.KEY_OVERDUE: _key_overdue,
    Kind.KEY_LACKING: _key_lacking,
    Kind.DENY_LIST_FILLS: _deny_list,
    Kind.NO_SECOND_FACTOR: _no_factor,
    Kind.UNUSED_ACCOUNT: _unused,
}
