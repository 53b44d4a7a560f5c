"""``roomkey call``: one request to the credential's API, with its token."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from roomkey.cli.exit_code import ExitCode

if TYPE_CHECKING:
    import httpx2

SECONDS: Final = 30.0


def call(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A credential of roomkey.toml that has a base_url.")],
    method: Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, …")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="Relative to base_url, such as /orders?page=2.")],
    *,
    data: Annotated[
        str | None, typer.Option("--data", metavar="TEXT", help="The body; @FILE reads a file, @- standard input.")
    ] = None,
    json_data: Annotated[
        str | None, typer.Option("--json", metavar="JSON", help="The same, checked and sent as application/json.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A further header; repeatable.")
    ] = None,
) -> int:
    """Call an API with a credential's token: the body goes to stdout, the status to stderr.

    A refused token is renewed and the call made once more where that is safe.
    """
    from roomkey.cli.call_request import read_request
    from roomkey.cli.errors import complain
    from roomkey.cli.print_response import show
    from roomkey.config import load
    from roomkey.errors import ConfigurationError

    request = read_request(method, path, data=data, json_data=json_data, headers=header or [])
    if isinstance(request, str):
        complain(request, "roomkey call --help")
        return ExitCode.USAGE
    with load() as configuration:
        credential = configuration.credential(name)
        base_url = configuration.base_url(name)
        if base_url is None:
            raise ConfigurationError(
                f"{configuration.path}: [credentials.{name}] base_url is needed to call an API; add it."
            )
        import httpx2

        from roomkey.integrations.httpx2 import BearerAuth

        auth = BearerAuth(credential, origins=[base_url])
        with httpx2.Client(base_url=base_url, auth=auth, timeout=SECONDS) as client:
            try:
                with client.stream(
                    request.method, request.path, headers=list(request.headers), content=request.body
                ) as response:
                    return show(response, credential)
            except httpx2.InvalidURL:
                complain("PATH is longer than an address can be.", "roomkey call --help")
                return ExitCode.USAGE
            except httpx2.RequestError as error:
                problem = _problem(error)
    complain(f"The API at {base_url} gave no usable answer: {problem}.", "is base_url right, and does the service run?")
    return ExitCode.UNREACHABLE


def _problem(error: "httpx2.RequestError") -> str:
    """In words that hold nothing of the request."""
    import httpx2

    from roomkey.http.transport import why_no_connection

    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        return why_no_connection(error)
    if isinstance(error, httpx2.TimeoutException):
        return f"nothing came for {SECONDS:.0f} s"
    return f"the connection broke ({type(error).__name__})"
