"""The audit log: filtered, verified, exported as CSV."""

import csv
import io
import itertools
import json
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from roomkey.authorization_server.audit.commands import ListAuditEvents, VerifyAuditChain
from roomkey.authorization_server.audit.search import Event
from roomkey.authorization_server.audit.verify import ChainStatus
from roomkey.authorization_server.backoffice.lookups import event_names
from roomkey.authorization_server.backoffice.page import Routes, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.backoffice.time_words import machine
from roomkey.authorization_server.commands.fields import convert
from roomkey.authorization_server.commands.paging import Page, all_items
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork

_COLUMNS: Final = ("number", "at", "actor", "action", "subject_kind", "subject", "tenant", "address", "details")
_MOST_EXPORTED: Final = 10_000
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
ROUTES = Routes()


@ROUTES.get("/audit", Permission.READ_AUDIT)
async def list_events(visit: Visit) -> Response:
    """Show events, the newest first."""
    return await _list(visit, None)


@ROUTES.post("/audit/verify", Permission.READ_AUDIT)
async def verify(visit: Visit) -> Response:
    """Verify the hash chain, and show the result with the events."""
    return await _list(visit, await visit.view(VerifyAuditChain()))


@ROUTES.get("/audit.csv", Permission.READ_AUDIT)
async def export(visit: Visit) -> Response:
    """Export the newest events of a filter as CSV, ten thousand at most."""
    listing = convert(_filters(visit), ListAuditEvents)

    def read(uow: UnitOfWork) -> list[Event]:
        return list(itertools.islice(all_items(uow, listing), _MOST_EXPORTED))

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows(_row(event) for event in await visit.view(read))
    headers = {"content-disposition": 'attachment; filename="audit.csv"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


async def _list(visit: Visit, verdict: ChainStatus | None) -> Response:
    filters, after = _filters(visit), visit.request.query_params.get("after")

    def read(uow: UnitOfWork) -> tuple[Page[Event], dict[str, str]]:
        found = convert({"after": after, **filters}, ListAuditEvents)(uow)
        return found, event_names(uow, found.items)

    found, names = await visit.view(read)
    query = urlencode({name: value for name, value in filters.items() if value})
    return await show(
        visit,
        "audit.html",
        found=found,
        filters=filters,
        query=query,
        verdict=verdict,
        may_verify=visit.actor.tenant is None,
        names=names,
    )


def _filters(visit: Visit) -> dict[str, str]:
    query = visit.request.query_params
    return {name: query.get(name, "").strip() for name in ("actor", "action", "subject")}


def _row(event: Event) -> list[str]:
    values = {name: getattr(event, name) for name in _COLUMNS} | {
        "at": machine(event.at),
        "tenant": event.tenant or "",
        "details": json.dumps(event.details, ensure_ascii=False, sort_keys=True),
    }
    return [_harmless(str(value)) for value in values.values()]


def _harmless(value: str) -> str:
    """``value``, with an apostrophe before what a spreadsheet would run as a formula."""
    return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) or value.startswith(_FORMULA) else value
