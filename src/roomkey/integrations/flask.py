"""BearerToken for Flask: a decorator that runs a view for requests with a valid token only."""

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar, Unpack, cast, final

try:
    import flask
except ModuleNotFoundError as missing:
    if missing.name != "flask":
        raise
    raise ImportError(
        "roomkey.integrations.flask needs the package flask, which is not installed: pip install flask"
    ) from None

from roomkey.integrations.caching import keep_from_shared_caches
from roomkey.integrations.protection import Protection, ProtectionOptions, RequireOptions, name_scopes
from roomkey.integrations.request_credentials import RequestCredentials, dpop_request
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.error_response import PreparedResponse
from roomkey.resource_server.validator import TokenValidator

__all__ = ["BearerToken"]

View = TypeVar("View", bound=Callable[..., Any])

_SCOPE: Final = "roomkey_scope"


@final
class BearerToken:
    """Validates the tokens of a Flask application's requests (RFC 6750); its views find ``flask.g.claims``.

    Requests are rejected here, error handlers see none of that; exceptions of the views are left alone. Responses to
    requests with a valid token are ``Vary: Authorization`` and, unless they say ``public``, private for caches.

    Parameters:
        validator: validates the tokens.
        tenant: a function that returns the tenant in a request's path (``request.view_args``) or host, for requirements
            that compare it.
        error_responses: the API's ``ErrorResponses``.
        resource: its metadata (RFC 9728), served by ``app.register_blueprint(auth.metadata_route)``.
        certificates_from: addresses or networks of proxies whose ``Client-Cert`` header (RFC 9440) is trusted.
    """

    def __init__(self, validator: TokenValidator, **options: Unpack[ProtectionOptions[flask.Request]]) -> None:
        self._protection: Protection[flask.Request] = Protection(validator, **options)

    def require(self, **options: Unpack[RequireOptions]) -> Callable[[View], View]:
        """Return a decorator, below ``@app.route``, that requires all this of a token; see ``Requirements``.

        It decorates plain and ``async`` views, and blocks while keys are fetched. Raises TypeError and ValueError where
        a requirement has the wrong form, and ConfigurationError where the validator could never meet it.
        ``orders.before_request(auth.require()(lambda: None))`` protects all that a blueprint has, but for what Flask
        itself answers to ``OPTIONS``, which a browser sends without a token.
        """
        requirements = self._protection.require(**options)

        def protect(view: View) -> View:
            @functools.wraps(view)
            def protected(*arguments: Any, **named: Any) -> Any:
                if _is_answered_by_flask(flask.request):
                    return None
                outcome = self._protection.authorize(flask.request, _credentials(flask.request), requirements)
                if not isinstance(outcome, Claims):
                    route = flask.current_app.view_functions.get(flask.request.endpoint or "")
                    name_scopes(outcome, getattr(route, _SCOPE, None))
                    return _response(self._protection.response(outcome))
                flask.g.claims = outcome
                flask.after_this_request(_private)
                return flask.current_app.ensure_sync(view)(*arguments, **named)

            setattr(protected, _SCOPE, requirements.scope)
            return cast("View", protected)

        return protect

    @property
    def metadata_route(self) -> flask.Blueprint:
        """The route of the API's metadata; raises ConfigurationError where ``resource`` was not given."""
        path, metadata = self._protection.published()
        blueprint = flask.Blueprint("protected_resource_metadata", __name__)
        blueprint.add_url_rule(path, view_func=lambda: _response(metadata()), endpoint="document")
        return blueprint


def _credentials(request: flask.Request) -> RequestCredentials:
    headers = request.headers
    return RequestCredentials(
        headers.getlist("Authorization"),
        request.query_string.decode("latin-1"),
        proof=dpop_request(
            request.environ, headers.getlist("DPoP"), method=request.method, path=request.root_path + request.path
        ),
        peer=request.remote_addr,
        client_cert=headers.getlist("Client-Cert"),
    )


def _is_answered_by_flask(request: flask.Request) -> bool:
    """Return True for ``OPTIONS`` of a route without its own answer to that: Flask then runs no view."""
    return request.method == "OPTIONS" and getattr(request.url_rule, "provide_automatic_options", False) is True


def _private(response: flask.Response) -> flask.Response:
    keep_from_shared_caches(response.headers)
    return response


def _response(response: PreparedResponse) -> flask.Response:
    return flask.Response(response.body, response.status, response.headers)
