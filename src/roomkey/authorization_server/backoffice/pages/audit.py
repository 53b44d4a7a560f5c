"""The audit log: read by filter, verified, taken along as a table."""

import csv
import dataclasses
import io
import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from roomkey.authorization_server.audit import search
from roomkey.authorization_server.audit.search import Event
from roomkey.authorization_server.audit.verify import ChainStatus
from roomkey.authorization_server.audit.verify import verify as verify_chain
from roomkey.authorization_server.backoffice.lookups import event_names
from roomkey.authorization_server.backoffice.page import Routes, Values, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.backoffice.time_words import machine
from roomkey.authorization_server.commands.paging import LARGEST, USUAL, Page
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork

_COLUMNS: Final = ("number", "at", "actor", "action", "subject_kind", "subject", "tenant", "address", "details")
_MOST_PAGES: Final = 50  # of 200 events: what one export holds
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclasses.dataclass(frozen=True, slots=True)
class Filters:
    """Which events are looked at; an empty one lets all through."""

    actor: str
    action: str
    subject: str

    def find(self, uow: UnitOfWork, *, after: str | None, limit: int = USUAL) -> Page[Event]:
        """A page of them."""
        return search.find(uow, actor=self.actor, action=self.action, subject=self.subject, after=after, limit=limit)


ROUTES = Routes()


@ROUTES.get("/audit", Permission.READ_AUDIT)
async def list_events(visit: Visit) -> Response:
    """Events, the newest first."""
    return await _list(visit, None)


@ROUTES.post("/audit/verify", Permission.READ_AUDIT)
async def verify(visit: Visit) -> Response:
    """The same, with what was found of the chain."""
    return await _list(visit, await visit.view(verify_chain))


@ROUTES.get("/audit.csv", Permission.READ_AUDIT)
async def export(visit: Visit) -> Response:
    """The newest events of a filter as CSV, ten thousand at most."""
    filters = _filters(visit)

    def read(uow: UnitOfWork) -> list[Event]:
        return list(_every(uow, filters))

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows(_row(event) for event in await visit.view(read))
    headers = {"content-disposition": 'attachment; filename="audit.csv"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


async def _list(visit: Visit, verdict: ChainStatus | None) -> Response:
    filters, after = _filters(visit), visit.request.query_params.get("after")

    def read(uow: UnitOfWork) -> tuple[Page[Event], dict[str, str]]:
        found = filters.find(uow, after=after)
        return found, event_names(uow, found.items)

    found, names = await visit.view(read)
    query = urlencode({name: value for name, value in dataclasses.asdict(filters).items() if value})
    may_verify = visit.actor.tenant is None
    values: Values = {
        "found": found,
        "filters": filters,
        "query": query,
        "verdict": verdict,
        "may_verify": may_verify,
        "names": names,
    }
    return await show(visit, "audit.html", **values)


def _filters(visit: Visit) -> Filters:
    query = visit.request.query_params
    return Filters(**{name: query.get(name, "").strip() for name in ("actor", "action", "subject")})


def _every(uow: UnitOfWork, filters: Filters) -> Iterator[Event]:
    after = None
    for _ in range(_MOST_PAGES):
        found = filters.find(uow, after=after, limit=LARGEST)
        yield from found.items
        after = found.after
        if after is None:
            return


def _row(event: Event) -> list[str]:
    details = json.dumps(event.details, ensure_ascii=False, sort_keys=True)
    values = (
        str(event.number),
        machine(event.at),
        event.actor,
        event.action,
        event.subject_kind,
        event.subject,
        event.tenant or "",
        event.address,
        details,
    )
    return [_harmless(value) for value in values]


def _harmless(value: str) -> str:
    """``value``, with an apostrophe before what a spreadsheet would take for a formula and run."""
    return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) or value.startswith(_FORMULA) else value
