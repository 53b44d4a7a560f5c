"""What a client asks a person for: read from the address, and held against what the client is (RFC 6749 4.1, 7636)."""

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
_LONGEST_STATE: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A request that may be put before a person.

    Attributes:
        access: the API that it is for, and what the client may ask for there.
        scope: what is asked for; empty: the client's default.
        code_challenge: of S256.
        prompts: what the client wants the person to be asked: ``none``, ``login``, ``consent``.
        max_age: how many seconds ago the person may have signed in at most, or None (RFC 9470).
        acr: in which ways the person may have signed in; empty: in any.
    """

    access: AllowedApi
    scope: tuple[str, ...]
    code_challenge: str
    prompts: frozenset[str]
    max_age: int | None
    acr: frozenset[str]


@dataclass(frozen=True, slots=True)
class ReturnAddress:
    """Where answers to one request go, which is an address that the client has registered."""

    redirect_uri: str
    state: str | None
    issuer: str

    def with_code(self, code: str) -> str:
        """The address that hands the code over; it says who issued it (RFC 9207)."""
        return self._with({"code": code})

    def with_error(self, error: OAuthError) -> str:
        """The address that tells of ``error`` (RFC 6749 section 4.1.2.1)."""
        return self._with({"error": error.error, "error_description": str(error)})

    def _with(self, members: dict[str, str]) -> str:
        if self.state is not None:
            members["state"] = self.state
        members["iss"] = self.issuer
        return f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{urlencode(members)}"


def is_registered(client: Client, redirect_uri: str) -> bool:
    """Whether the client has registered this very address; a native one may be at any loopback port (RFC 8252 7.3)."""
    if redirect_uri in client.redirect_uris:
        return True
    asked = _LOOPBACK.fullmatch(redirect_uri) if client.native else None
    if asked is None or not redirect_uri.isprintable() or " " in redirect_uri or "#" in redirect_uri:
        return False
    registered = (_LOOPBACK.fullmatch(each) for each in client.redirect_uris)
    return any(one is not None and one.groups() == asked.groups() for one in registered)


def read_request(client: Client, form: Form) -> AuthorizationRequest:
    """What ``form`` asks for; raises OAuthError, which the client is told at its registered address."""
    if "authorization_code" not in client.grants:
        raise OAuthError("unauthorized_client", "The client may not use the authorization code.")
    if form.optional("response_type") != "code":
        raise OAuthError("unsupported_response_type", "The response_type must be code.")
    if form.optional("response_mode") not in (None, "query"):
        raise invalid_request("The response_mode must be query.")
    if "request" in form or "request_uri" in form:
        raise OAuthError("request_not_supported", "The parameters stand in the address itself.")
    challenge = form.optional("code_challenge") or ""
    if form.optional("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise invalid_request("A code_challenge with the code_challenge_method S256 is needed.")
    if len(form.optional("state") or "") > _LONGEST_STATE:
        raise invalid_request("The state is longer than 2048 characters.")
    max_age = form.optional("max_age")
    if max_age is not None and not _SECONDS.fullmatch(max_age):
        raise invalid_request("The max_age is a number of seconds.")
    prompts = frozenset((form.optional("prompt") or "").split())
    if not prompts <= {"none", "login", "consent", "select_account"} or ("none" in prompts and len(prompts) > 1):
        raise invalid_request("The prompt is none, login or consent.")
    scope = read_scope(form)
    return AuthorizationRequest(
        access=choose_access(client, form, scope),
        scope=scope,
        code_challenge=challenge,
        prompts=prompts,
        max_age=None if max_age is None else int(max_age),
        acr=frozenset((form.optional("acr_values") or "").split()),
    )
