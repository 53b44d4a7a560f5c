"""For which API and with which scopes a client asks, held against what it may (RFC 6749 3.3, RFC 8707; pure)."""

import re
from collections.abc import Iterable
from typing import Final

from roomkey.authorization_server.clients.client import AllowedApi, Client
from roomkey.authorization_server.web.form import Form
from roomkey.authorization_server.web.oauth_error import OAuthError

_SCOPE: Final = re.compile(r" *(?:[\x21\x23-\x5b\x5d-\x7e]{1,128}(?: +|$))*")
_MOST: Final = 100


def read_scope(form: Form) -> tuple[str, ...]:
    """The scopes that are asked for, each once, in order; none where there is no such parameter."""
    scope = form.optional("scope") or ""
    if _SCOPE.fullmatch(scope) is None:
        raise _wrong_scope()
    words = tuple(dict.fromkeys(scope.split()))
    if len(words) > _MOST:
        raise _wrong_scope()
    return words


def choose_access(client: Client, form: Form, scope: tuple[str, ...]) -> AllowedApi:
    """The one API that the request is for: the one that it names, the only one, or the only one with such scopes."""
    named = form.optional("resource") or form.optional("audience")
    if form.optional("resource") and form.optional("audience") not in (None, named):
        raise OAuthError("invalid_target", "The parameters resource and audience name different APIs.")
    if named is not None:
        access = client.access.get(named)
        if access is None:
            raise OAuthError("invalid_target", "The client may not ask for tokens for this API.")
        return access
    candidates = list(client.access.values())
    if len(candidates) > 1 and scope:
        candidates = [access for access in candidates if access.scopes.issuperset(scope)]
        if not candidates:
            raise _wrong_scope()
    if not candidates:
        raise OAuthError("invalid_target", "The client may not ask for tokens for any API.")
    if len(candidates) != 1:
        raise OAuthError("invalid_target", "Name the API that the token is for in the parameter resource.")
    return candidates[0]


def granted_scope(
    access: AllowedApi, asked: tuple[str, ...], *, allowed: Iterable[str] | None = None
) -> tuple[str, ...]:
    """What is granted of ``asked``: all of it or nothing; the account's default where nothing is asked for.

    ``allowed`` is a second bound, such as what a person may. Raises OAuthError where nothing is asked for and there is
    no default: a token without scopes would only end in a puzzling 403.
    """
    bound = access.scopes if allowed is None else access.scopes.intersection(allowed)
    if not asked:
        default = tuple(scope for scope in access.defaults if scope in bound)
        if not default and access.scopes:
            raise OAuthError(
                "invalid_scope", "Name the scopes that are wanted: this client has no default for the API."
            )
        return default
    if not bound.issuperset(asked):
        raise _wrong_scope()
    return asked


def _wrong_scope() -> OAuthError:
    return OAuthError("invalid_scope", "A scope is unknown, or the client may not ask for it.")
