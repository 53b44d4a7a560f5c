"""Authorization request: read from the query, validated against the client (RFC 6749 section 4.1, RFC 7636)."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from roomkey.authorization_server.clients.client import AllowedApi, Client
from roomkey.authorization_server.grants.scope import choose_access, read_scope
from roomkey.authorization_server.web.form import Form
from roomkey.authorization_server.web.oauth_error import OAuthError, invalid_request

_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)  # of S256: 32 bytes in base64url
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_LOOPBACK: Final = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?((?:/.*)?)", re.ASCII)
_MAX_STATE: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A valid request, to be shown to the user.

    Attributes:
        access: the API, and the client's scopes there.
        scope: the requested scopes; empty: the client's default.
        code_challenge: by S256.
        prompts: ``none``, ``login``, ``consent``, ``select_account``.
        max_age: seconds since the sign-in at most, or None (RFC 9470).
        acr: accepted authentication context classes; empty: any.
    """

    access: AllowedApi
    scope: tuple[str, ...]
    code_challenge: str
    prompts: frozenset[str]
    max_age: int | None
    acr: frozenset[str]


@dataclass(frozen=True, slots=True)
class ClientRedirect:
    """The registered redirect_uri of a client, and what a response there repeats of the request."""

    redirect_uri: str
    state: str | None
    issuer: str

    def with_code(self, code: str) -> str:
        """Return the URL with the code and its issuer (RFC 9207)."""
        return self._with({"code": code})

    def with_error(self, error: OAuthError) -> str:
        """Return the URL with ``error`` (RFC 6749 section 4.1.2.1)."""
        return self._with({"error": error.error, "error_description": str(error)})

    def _with(self, parameters: dict[str, str]) -> str:
        if self.state is not None:
            parameters["state"] = self.state
        parameters["iss"] = self.issuer
        return f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{urlencode(parameters)}"


def is_registered(client: Client, redirect_uri: str) -> bool:
    """Return whether the redirect_uri is registered; that of a native app may have any loopback port (RFC 8252 7.3)."""
    if redirect_uri in client.redirect_uris:
        return True
    received = _LOOPBACK.fullmatch(redirect_uri) if client.native else None
    if received is None or not redirect_uri.isprintable() or " " in redirect_uri or "#" in redirect_uri:
        return False
    registered = (_LOOPBACK.fullmatch(each) for each in client.redirect_uris)
    return any(one is not None and one.groups() == received.groups() for one in registered)


def read_request(client: Client, form: Form) -> AuthorizationRequest:
    """Return the request in ``form``; raises OAuthError, which goes to the client's redirect_uri."""
    if "authorization_code" not in client.grants:
        raise OAuthError("unauthorized_client", "The client may not use the authorization code.")
    if form.optional("response_type") != "code":
        raise OAuthError("unsupported_response_type", "The response_type must be code.")
    if form.optional("response_mode") not in (None, "query"):
        raise invalid_request("The response_mode must be query.")
    if "request" in form or "request_uri" in form:
        raise OAuthError("request_not_supported", "Request objects are not supported; use query parameters.")
    challenge = form.optional("code_challenge") or ""
    if form.optional("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise invalid_request("A code_challenge with code_challenge_method=S256 is required.")
    if len(form.optional("state") or "") > _MAX_STATE:
        raise invalid_request(f"The state must have at most {_MAX_STATE} characters.")
    max_age = form.optional("max_age")
    if max_age is not None and not _SECONDS.fullmatch(max_age):
        raise invalid_request("The max_age must be a number of seconds.")
    prompts = frozenset((form.optional("prompt") or "").split())
    if not prompts <= {"none", "login", "consent", "select_account"} or ("none" in prompts and len(prompts) > 1):
        raise invalid_request("The prompt must be none, login, consent or select_account.")
    scope = read_scope(form)
    return AuthorizationRequest(
        access=choose_access(client, form, scope),
        scope=scope,
        code_challenge=challenge,
        prompts=prompts,
        max_age=None if max_age is None else int(max_age),
        acr=frozenset((form.optional("acr_values") or "").split()),
    )
