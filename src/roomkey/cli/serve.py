"""``roomkey serve``: runs the auth service, or says what is wrong with how it is set up."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from roomkey.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from roomkey.authorization_server.service import Service
    from roomkey.authorization_server.settings import Settings


def serve(
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Its folder; by default ~/.local/share/roomkey.")
    ] = None,
    listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="By default 127.0.0.1:8400.")] = None,
    issuer: Annotated[
        str | None, typer.Option(metavar="URL", help="Its name in tokens and links, as others reach it.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="By default SQLite in the folder; or postgresql://…")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Say what is wrong with its set-up; serve nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: one JSON object for a script.")] = False,
) -> int:
    """Run the auth service until SIGTERM or Ctrl+C; requests that have begun are answered first.

    On a fresh machine it makes its folder, database and keys, and prints a link that makes the first administrator.
    Settings also come from ROOMKEY_SERVER_… and from [server] in roomkey.toml; what is written here wins.
    """
    from roomkey.authorization_server.settings_file import read_settings

    settings = read_settings(data=data, listen=listen, issuer=issuer, database=database)
    return _check(settings, as_json=as_json) if check else _serve(settings)


def _check(settings: "Settings", *, as_json: bool) -> int:
    import time

    from roomkey.authorization_server.health.checks import look
    from roomkey.cli.serve_output import print_findings, print_findings_json

    findings = look(settings, int(time.time()))
    (print_findings_json if as_json else print_findings)(settings, findings)
    return ExitCode.FAILED if findings.found else ExitCode.OK


def _serve(settings: "Settings") -> int:
    from roomkey.authorization_server.app import create_app
    from roomkey.authorization_server.served_issuer import remember_issuer
    from roomkey.authorization_server.server.background_jobs import chores
    from roomkey.authorization_server.server.listener import bound, listener
    from roomkey.authorization_server.server.logs import write_logs
    from roomkey.authorization_server.server.server import run
    from roomkey.authorization_server.service import Service
    from roomkey.cli.serve_output import formatter, print_start

    with listener(settings) as taken:
        settings = bound(settings, taken)
        with Service.open(settings) as service:
            remember_issuer(service)
            print_start(service, _setup_link(service))
            write_logs(settings.log_format, formatter())
            app = create_app(service)
            run(settings, app, taken, chores=chores(service, app))
    return ExitCode.OK


def _setup_link(service: "Service") -> str | None:
    """The address that makes the first administrator; None where there is one."""
    from roomkey.authorization_server.actor import SERVICE
    from roomkey.authorization_server.identity import setup_links, users

    with service.unit_of_work(SERVICE) as work:
        return None if users.administrators_exist(work.connection) else setup_links.create(work)
