"""``roomkey call``: one request to the credential's API, with its token."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from roomkey.cli.exit_code import ExitCode

if TYPE_CHECKING:
    import httpx2

SECONDS: Final = 30.0


def call_api(
    name: str, method: str, path: str, *, data: str | None, json_data: str | None, headers: Sequence[str]
) -> int:
    """Send the request with the token of the credential ``name`` and print the response."""
    from roomkey.cli.call_request import read_request
    from roomkey.cli.errors import print_error
    from roomkey.cli.print_response import print_response
    from roomkey.config import load
    from roomkey.errors import ConfigurationError

    request = read_request(method, path, data=data, json_data=json_data, headers=headers)
    if isinstance(request, str):
        print_error(request, "roomkey call --help")
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
                    return print_response(response, credential)
            except httpx2.InvalidURL:
                print_error("PATH is longer than a URL can be.", "roomkey call --help")
                return ExitCode.USAGE
            except httpx2.RequestError as error:
                problem = _problem(error)
    print_error(f"The API at {base_url} sent no usable response: {problem}.", "check base_url, and that the API runs.")
    return ExitCode.UNREACHABLE


def _problem(error: "httpx2.RequestError") -> str:
    """The problem in words that hold nothing of the request."""
    import httpx2

    from roomkey.http.transport import why_no_connection

    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        return why_no_connection(error)
    if isinstance(error, httpx2.TimeoutException):
        return f"no response within {SECONDS:.0f} s"
    return f"the connection broke ({type(error).__name__})"
