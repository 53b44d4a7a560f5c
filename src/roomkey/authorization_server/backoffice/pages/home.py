"""The dashboard: alerts with the page that resolves each, totals, recent events, and the first steps."""

from dataclasses import dataclass, replace

from starlette.responses import Response

from roomkey.authorization_server.accounts.apis.commands import ListApis
from roomkey.authorization_server.accounts.app_tokens.commands import ListAppTokens
from roomkey.authorization_server.accounts.service_accounts.commands import ListServiceAccounts
from roomkey.authorization_server.accounts.service_accounts.model import BUILT_IN
from roomkey.authorization_server.audit import search
from roomkey.authorization_server.backoffice.lookups import event_names
from roomkey.authorization_server.backoffice.page import Routes, Values, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.backoffice.time_words import duration, relative
from roomkey.authorization_server.health import alerts, rules
from roomkey.authorization_server.health.alerts import Alert, AlertKind
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert as a row: status, title, text, and the link to the page that resolves it."""

    kind: str
    word: str
    title: str
    text: str
    href: str
    label: str = "View"


@dataclass(frozen=True, slots=True)
class SetupStep:
    """A step from an empty service to its first token."""

    title: str
    text: str
    done: bool
    href: str
    label: str
    now: bool = False


ROUTES = Routes()


@ROUTES.get("/")
async def home(visit: Visit) -> Response:
    """Show the dashboard."""

    def read(uow: UnitOfWork) -> Values:
        rows = [_row(alert, uow.now) for alert in alerts.find(uow)]
        events = search.find(uow, limit=5).items if uow.actor.may(Permission.READ_AUDIT) else ()
        values: Values = {"alerts": rows, "events": events, "names": event_names(uow, events)}
        if uow.actor.may(Permission.READ):
            return values | {"steps": _steps(uow), "totals": alerts.count(uow)}
        return values | {"steps": (), "totals": None}

    values = await visit.view(read)
    count = len(values["alerts"])
    lead = "No alerts." if not count else "1 alert." if count == 1 else f"{count} alerts."
    return await show(visit, "home.html", lead=lead, **values)


def _steps(uow: UnitOfWork) -> tuple[SetupStep, ...]:
    """Steps to the first app token; empty once there was one."""
    if ListAppTokens(limit=1)(uow).items:
        return ()
    own = any(api.client_id != BUILT_IN for api in ListApis(limit=2)(uow).items)
    some = bool(ListServiceAccounts(limit=1)(uow).items)
    new_account, request = "/service-accounts/~new", "/token-requests/~new"
    steps = [
        SetupStep("Create an API", "Its name and its scopes.", own, "/apis/~new", "New API"),
        SetupStep("Create a service account", "The client of the API.", some, new_account, "New service account"),
        SetupStep("Request a token", "It is shown once.", False, request, "Request a token"),  # noqa: FBT003
    ]
    first = next(number for number, step in enumerate(steps) if not step.done)
    return tuple(replace(step, now=number == first) for number, step in enumerate(steps))


def _row(alert: Alert, now: int) -> AlertRow:
    name, about, at = alert.name, alert.about, alert.at or now
    when, account, token = relative(at, now), f"/service-accounts/{alert.id}", f"/app-tokens/{alert.id}"
    match alert.kind:
        case AlertKind.AUDIT_CHAIN:
            text = "That event was changed, moved or removed in the database."
            return AlertRow("bad", "broken", f"The audit log's hash chain breaks at {name}", text, "/audit")
        case AlertKind.REQUEST_PENDING:
            title, href = f"{name} requests a token", f"/token-requests/{alert.id}"
            return AlertRow("wait", "pending", title, f"{about}, for {duration(at)}.", href, "Decide")
        case AlertKind.TOKEN_TO_COLLECT:
            text = f"For {about}. Approved {when}; it can be collected for a week."
            return AlertRow("ok", "ready", f"A token for {name} is approved", text, "/token-requests", "Collect")
        case AlertKind.APP_TOKEN_EXPIRES:
            title, text = f"App token {name} of {about} expires", "Rotate it before the API rejects it."
            return AlertRow("warn", when, title, text, f"{token}/rotate", "Rotate")
        case AlertKind.OWNER_DISABLED:
            text = f"It was last used {when}." if alert.at else "It was never used, as far as the service knows."
            title = f"The owner of app token {name} of {about} is disabled"
            return AlertRow("warn", "no owner", title, text, token)
        case AlertKind.SECRET_EXPIRES:
            return AlertRow("warn", when, f"A secret of {name} expires", f"Secret {about}.", account)
        case AlertKind.KEY_OVERDUE:
            title = f"The {name} key was not rotated"
            text = f"It was due {when}. The service rotates keys only while it runs."
            return AlertRow("warn", "overdue", title, text, "/keys/rotate", "Rotate")
        case AlertKind.KEY_NOT_ADOPTED:
            title = f"Not every API has fetched the {name} key"
            signs = f", which may sign {when}" if alert.at else ""
            return AlertRow("warn", "missing", title, f"{about}: no {alert.id}{signs}.", "/keys")
        case AlertKind.DENY_LIST_FULL:
            text = f"{about}. APIs reject all tokens when it is full; shorter token lifetimes keep it small."
            return AlertRow("warn", f"{alert.id} %", "The deny list is nearly full", text, "/apis")
        case AlertKind.NO_SECOND_FACTOR:
            title, text = f"{name} has no second factor", f"The {about} signs in with a password alone."
            return AlertRow("warn", "risk", title, text, f"/users/{alert.id}")
        case AlertKind.UNUSED_ACCOUNT:
            title = f"{name} was not used for {duration(rules.UNUSED)}"
            return AlertRow("", "unused", title, f"Created {when}. Disable it if it is not needed.", account)
