"""How a client proves at the token endpoint who it is (RFC 6749 section 2.3.1; pure)."""

import base64
from typing import Final, Literal
from urllib.parse import quote_plus, urlencode

from roomkey.http.messages import Request

ClientAuthentication = Literal["client_secret_basic", "client_secret_basic_raw", "client_secret_post", "none"]

METHODS: Final[tuple[ClientAuthentication, ...]] = (
    "client_secret_basic",
    "client_secret_basic_raw",
    "client_secret_post",
    "none",
)

Form = tuple[tuple[str, str], ...]


def authenticated_request(
    endpoint: str, form: Form, *, method: ClientAuthentication, client_id: str, client_secret: str | None
) -> Request:
    """The POST of ``form`` to ``endpoint`` with the client's proof.

    ``client_secret_basic`` form-encodes both parts before they are joined, as the RFC asks;
    ``client_secret_basic_raw`` is for servers that forgot to. Parameters that stand in ``form`` twice stay twice.
    """
    headers: Form = (("Accept", "application/json"), ("Content-Type", "application/x-www-form-urlencoded"))
    if method in {"client_secret_basic", "client_secret_basic_raw"}:
        headers = (*headers, ("Authorization", _basic(client_id, client_secret or "", raw=method.endswith("_raw"))))
    elif client_id:
        form = (*form, ("client_id", client_id))
        if method == "client_secret_post":
            form = (*form, ("client_secret", client_secret or ""))
    return Request("POST", endpoint, headers, urlencode(form).encode())


def _basic(client_id: str, client_secret: str, *, raw: bool) -> str:
    parts = (client_id, client_secret) if raw else (quote_plus(client_id), quote_plus(client_secret))
    return "Basic " + base64.b64encode(":".join(parts).encode()).decode()
