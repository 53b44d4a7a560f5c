"""``roomkey serve``: run the auth service, or report what is wrong with its setup."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from roomkey.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from roomkey.authorization_server.service import Service
    from roomkey.authorization_server.settings import Settings


def serve_or_check(
    *,
    data: Path | None,
    listen: str | None,
    issuer: str | None,
    database: str | None,
    check: bool,
    as_json: bool,
    example: bool,
) -> int:
    """Serve until SIGTERM or Ctrl+C, or report the findings of ``--check``. Blocks."""
    from roomkey.authorization_server.settings_file import read_settings

    settings = read_settings(data=data, listen=listen, issuer=issuer, database=database)
    if check:
        return _check(settings, as_json=as_json)
    return _serve_example(settings) if example else _serve(settings)


def _check(settings: "Settings", *, as_json: bool) -> int:
    from roomkey.authorization_server.health.checks import look
    from roomkey.cli.serve_output import print_findings, print_findings_json

    findings = look(settings, int(time.time()))
    (print_findings_json if as_json else print_findings)(settings, findings)
    return ExitCode.FAILED if findings.found else ExitCode.OK


def _serve_example(settings: "Settings") -> int:
    from roomkey.cli.serve_example import check_example, running_example
    from roomkey.cli.serve_output import print_example

    folder = Path.cwd()
    check_example(settings, folder)
    with ExitStack() as stack:
        return _serve(settings, lambda service: print_example(stack.enter_context(running_example(service, folder))))


def _serve(settings: "Settings", prepare: "Callable[[Service], None]" = lambda _: None) -> int:
    from roomkey.authorization_server.app import create_app
    from roomkey.authorization_server.server.access_log import configure_logging
    from roomkey.authorization_server.server.background_jobs import background_jobs
    from roomkey.authorization_server.server.server import bind_socket, run, with_bound_port
    from roomkey.authorization_server.service import Service, remember_issuer
    from roomkey.cli.serve_output import log_formatter, print_start

    with bind_socket(settings) as taken:
        settings = with_bound_port(settings, taken)
        with Service.open(settings) as service:
            remember_issuer(service)
            print_start(service, _setup_link(service))
            prepare(service)
            configure_logging(settings.log_format, log_formatter())
            app = create_app(service)
            run(settings, app, taken, jobs=background_jobs(service, app))
    return ExitCode.OK


def _setup_link(service: "Service") -> str | None:
    """The link that creates the first administrator; None where there is one."""
    from roomkey.authorization_server.actor import SERVICE
    from roomkey.authorization_server.identity import setup_links, users

    with service.unit_of_work(SERVICE) as work:
        return None if users.administrators_exist(work.connection) else setup_links.create(work)
