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
from roomkey.authorization_server.health.alerts import Alert, AlertKind
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class AlertRow:
    """A row of the list: its status, what is wrong, what that means, and the click that mends it."""

    kind: str
    word: str
    title: str
    text: str
    href: str
    label: str


@dataclass(frozen=True, slots=True)
class SetupStep:
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
        needs = [_WORDS[alert.kind](alert, now) for alert in alerts.find(uow)]
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


def _steps(uow: UnitOfWork) -> tuple[SetupStep, ...]:
    """What is still to be done before the first token; empty once there was one."""
    if app_tokens.find(uow, limit=1).items:
        return ()
    own = [api for api in apis.find(uow, limit=2).items if api.client_id != "roomkey-admin"]
    some = service_accounts.find(uow, limit=1).items
    steps = [
        SetupStep("Describe an API", "Its name, and what may be allowed there.", bool(own), "/apis/~new", "New API"),
        SetupStep(
            "Make a service account",
            "It stands for the app that calls the API.",
            bool(some),
            "/service-accounts/~new",
            "New service account",
        ),
        SetupStep(
            "Request a token", "You see it once.", done=False, href="/token-requests/~new", label="Request a token"
        ),
    ]
    first = next(step for step in steps if not step.done)
    return tuple(SetupStep(step.title, step.text, step.done, step.href, step.label, step is first) for step in steps)


def _chain(alert: Alert, _now: int) -> AlertRow:
    text = "An entry was changed, moved or taken out behind the back of the service."
    return AlertRow("bad", "broken", f"The audit log does not hold at {alert.name}", text, "/audit", "Look")


def _request(alert: Alert, _now: int) -> AlertRow:
    text = f"{alert.about}, for {duration(alert.at or 0)}."
    return AlertRow("wait", "waits", f"{alert.name} asks for a token", text, f"/token-requests/{alert.id}", "Answer")


def _collect(alert: Alert, now: int) -> AlertRow:
    text = f"At {alert.about}. Approved {relative(alert.at or now, now)}; it waits a week."
    return AlertRow("ok", "ready", f"A token for {alert.name} is approved", text, "/token-requests", "Collect it")


def _token_ends(alert: Alert, now: int) -> AlertRow:
    title = f"App token {alert.name} of {alert.about} ends"
    word = relative(alert.at or now, now)
    return AlertRow(
        "warn", word, title, "Rotate it before its app is refused.", f"/app-tokens/{alert.id}/rotate", "Rotate"
    )


def _owner_gone(alert: Alert, now: int) -> AlertRow:
    used = f"It was last used {relative(alert.at, now)}." if alert.at else "Nobody has asked about it yet."
    title = f"The owner of app token {alert.name} of {alert.about} is disabled"
    return AlertRow("warn", "no owner", title, used, f"/app-tokens/{alert.id}", "Look")


def _secret_ends(alert: Alert, now: int) -> AlertRow:
    title = f"{alert.name} still uses the secret that ends"
    text = f"{alert.about} is the old one; the new one has not been used yet."
    return AlertRow("warn", relative(alert.at or now, now), title, text, f"/service-accounts/{alert.id}", "Look")


def _key_overdue(alert: Alert, now: int) -> AlertRow:
    text = f"It was due {relative(alert.at or now, now)}; does the service run all the time?"
    return AlertRow(
        "warn", "overdue", f"The key for {alert.name} has signed for too long", text, "/keys/rotate", "Rotate"
    )


def _key_lacking(alert: Alert, now: int) -> AlertRow:
    soon = f", and may sign {relative(alert.at, now)}" if alert.at else ""
    title = f"Not every API holds the key for {alert.name}"
    return AlertRow("warn", "missing", title, f"{alert.about} lacks {alert.id}{soon}.", "/keys", "Look")


def _deny_list(alert: Alert, _now: int) -> AlertRow:
    text = f"It names {alert.about}. APIs that follow a full one refuse all; shorter lifetimes keep it small."
    return AlertRow("warn", f"{alert.id} %", "The deny list fills up", text, "/apis", "Look")


def _no_factor(alert: Alert, _now: int) -> AlertRow:
    text = f"Signs in as {alert.about} with a password alone."
    return AlertRow("warn", "risk", f"{alert.name} has no second factor", text, f"/users/{alert.id}", "Look")


def _unused(alert: Alert, now: int) -> AlertRow:
    title = f"Nobody has used {alert.name} for {duration(alerts.UNUSED)}"
    text = f"Made {relative(alert.at or now, now)}. Disable what nobody needs."
    return AlertRow("", "unused", title, text, f"/service-accounts/{alert.id}", "Look")


_WORDS: Final[dict[AlertKind, Callable[[Alert, int], AlertRow]]] = {
    AlertKind.AUDIT_CHAIN: _chain,
    AlertKind.REQUEST_WAITS: _request,
    AlertKind.TOKEN_TO_COLLECT: _collect,
    AlertKind.APP_TOKEN_ENDS: _token_ends,
    AlertKind.OWNER_GONE: _owner_gone,
    AlertKind.SECRET_ENDS: _secret_ends,
    AlertKind.KEY_OVERDUE: _key_overdue,
    AlertKind.KEY_LACKING: _key_lacking,
    AlertKind.DENY_LIST_FILLS: _deny_list,
    AlertKind.NO_SECOND_FACTOR: _no_factor,
    AlertKind.UNUSED_ACCOUNT: _unused,
}
