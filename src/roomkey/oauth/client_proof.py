"""A request with the proof of the client that sends it: a secret, or an assertion signed anew (RFC 6749, 2.3; pure)."""

from roomkey.errors import ConfigurationError
from roomkey.http.messages import Request
from roomkey.oauth.client_authentication import METHODS, ClientAuthentication, Form, authenticated_request
from roomkey.oauth.private_key_jwt import PrivateKeyJWT
from roomkey.oauth.source import Moment, Revealed

Authentication = ClientAuthentication | PrivateKeyJWT


def checked_authentication(
    authentication: Authentication | None, *, client_id: str, has_secret: bool
) -> Authentication:
    """``authentication``, by default Basic where there is a secret; raises ConfigurationError where it cannot work."""
    method = authentication or ("client_secret_basic" if has_secret else "none")
    name = method.name if isinstance(method, PrivateKeyJWT) else method
    if not isinstance(method, PrivateKeyJWT) and method not in METHODS:
        raise ConfigurationError(f"authentication= is one of {', '.join(METHODS)}, or PrivateKeyJWT(...).")
    if name.startswith("client_secret") != has_secret:
        raise ConfigurationError(f"authentication={name!r} and client_secret= do not go together.")
    if isinstance(method, PrivateKeyJWT) and not client_id:
        raise ConfigurationError("client_id= is missing; PrivateKeyJWT signs for a client.")
    return method


def proven_request(
    endpoint: str,
    form: Form,
    *,
    authentication: Authentication,
    client_id: str,
    revealed: Revealed,
    server: str,
    moment: Moment,
) -> Request:
    """The POST of ``form`` to ``endpoint`` with the client's proof, which is made for ``server``.

    ``authentication`` comes from ``checked_authentication``; ``revealed`` has ``client_secret``, or what
    ``PrivateKeyJWT.secrets`` names. Raises ConfigurationError for a key that cannot sign.
    """
    if isinstance(authentication, PrivateKeyJWT):
        form += authentication.proof(client_id=client_id, revealed=revealed, server=server, moment=moment)
        return authenticated_request(endpoint, form, method="none", client_id=client_id, client_secret=None)
    secret = revealed["client_secret"] if authentication.startswith("client_secret") else None
    return authenticated_request(endpoint, form, method=authentication, client_id=client_id, client_secret=secret)
