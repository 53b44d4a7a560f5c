"""The requested scopes and API of a token request, checked against what the client may (RFC 6749 3.3, 8707; pure)."""

import re
from collections.abc import Iterable
from typing import Final

from roomkey.authorization_server.clients.client import AllowedApi, Client
from roomkey.authorization_server.web.form import Form
from roomkey.authorization_server.web.oauth_error import OAuthError

_SCOPE: Final = re.compile(r" *(?:[\x21\x23-\x5b\x5d-\x7e]{1,128}(?: +|$))*")
_MAX_SCOPES: Final = 100


def read_scope(form: Form) -> tuple[str, ...]:
    """Read the requested scopes, each once, in order; none where there is no such parameter."""
    scope = form.optional("scope") or ""
    if _SCOPE.fullmatch(scope) is None:
        raise _invalid_scope()
    scopes = tuple(dict.fromkeys(scope.split()))
    if len(scopes) > _MAX_SCOPES:
        raise _invalid_scope()
    return scopes


def choose_access(client: Client, form: Form, scope: tuple[str, ...]) -> AllowedApi:
    """Choose the API of the request: the one that it names, the only one, or the only one that has the scopes."""
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
            raise _invalid_scope()
    if not candidates:
        raise OAuthError("invalid_target", "The client may not ask for tokens for any API.")
    if len(candidates) != 1:
        raise OAuthError("invalid_target", "Name the API that the token is for in the parameter resource.")
    return candidates[0]


def granted_scope(
    access: AllowedApi, requested: tuple[str, ...], *, allowed: Iterable[str] | None = None
) -> tuple[str, ...]:
    """Return ``requested`` if the client may have all of it, and its default scopes where it requests none.

    ``allowed`` is a second bound, such as the scopes of a user. Raises OAuthError for any other scope, and
    where none is requested and there is no default: a token without scopes would only lead to a puzzling 403.
    """
    bound = access.scopes if allowed is None else access.scopes.intersection(allowed)
    if not requested:
        default = tuple(scope for scope in access.defaults if scope in bound)
        if not default and access.scopes:
            raise OAuthError(
                "invalid_scope", "Name the scopes that are wanted: this client has no default for the API."
            )
        return default
    if not bound.issuperset(requested):
        raise _invalid_scope()
    return requested


def _invalid_scope() -> OAuthError:
    return OAuthError("invalid_scope", "A scope is unknown, or the client may not ask for it.")
