"""BearerToken for Flask: a decorator that lets a view run for requests with a good token only."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, Unpack, cast, final

try:
    import flask
except ModuleNotFoundError as missing:
    if missing.name != "flask":
        raise
    raise ImportError(
        "roomkey.integrations.flask needs the package flask, which is not installed: pip install flask"
    ) from None

from roomkey.errors import AccessError
from roomkey.integrations.protection import Asked, Protection
from roomkey.integrations.request_credentials import Presented, presented_proof
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.error_response import Answer, ErrorResponses
from roomkey.resource_server.protected_resource import ProtectedResource
from roomkey.resource_server.requirements import Requirements
from roomkey.resource_server.validator import TokenValidator

__all__ = ["BearerToken"]

View = TypeVar("View", bound=Callable[..., Any])


@final
class BearerToken:
    """Verifies the tokens of a Flask application's requests (RFC 6750); its views find ``flask.g.claims``.

    Refusals are answered from here, error handlers see none of them; exceptions of the views are left alone.

    Parameters:
        validator: who judges the tokens.
        tenant: says which tenant a request's path (``request.view_args``) or host names, where requirements ask for it.
        answering: how the API says no.
        resource: its metadata (RFC 9728), served by ``app.register_blueprint(auth.metadata_route)``.
        certificates_from: addresses or networks of proxies whose ``Client-Cert`` header (RFC 9440) counts.
    """

    def __init__(
        self,
        validator: TokenValidator,
        *,
        tenant: Callable[[flask.Request], str | None] | None = None,
        answering: ErrorResponses | None = None,
        resource: ProtectedResource | None = None,
        certificates_from: Iterable[str] = (),
    ) -> None:
        self._protection = Protection(
            validator, tenant=tenant, answering=answering, resource=resource, certificates_from=certificates_from
        )

    def require(self, **asked: Unpack[Asked]) -> Callable[[View], View]:
        """A decorator, below ``@app.route``, that asks for all this of a token; see :class:`~roomkey.Requirements`.

        It takes plain and ``async`` views, and blocks while keys are fetched. Raises TypeError and ValueError where a
        requirement has the wrong form, and ConfigurationError where the validator could never meet it.
        ``orders.before_request(auth.require()(lambda: None))`` protects all that a blueprint has.
        """
        requirements = self._protection.declared(Requirements(**asked))

        def protect(view: View) -> View:
            @functools.wraps(view)
            def protected(*arguments: Any, **named: Any) -> Any:
                outcome = self._outcome(flask.request, requirements)
                if not isinstance(outcome, Claims):
                    return _response(self._protection.answer(outcome))
                flask.g.claims = outcome
                return flask.current_app.ensure_sync(view)(*arguments, **named)

            return cast("View", protected)

        return protect

    @property
    def metadata_route(self) -> flask.Blueprint:
        """The route of the API's metadata; raises ConfigurationError where ``resource`` was not given."""
        path, metadata = self._protection.published()
        blueprint = flask.Blueprint("protected_resource_metadata", __name__)
        blueprint.add_url_rule(path, view_func=lambda: _response(metadata), endpoint="document")
        return blueprint

    def _outcome(self, request: flask.Request, requirements: Requirements) -> Claims | AccessError:
        proof = presented_proof(
            request.environ,
            request.headers.getlist("DPoP"),
            method=request.method,
            path=request.root_path + request.path,
        )
        query = request.query_string.decode("latin-1")
        presented = Presented(
            request.headers.getlist("Authorization"),
            query,
            proof=proof,
            peer=request.remote_addr,
            client_cert=request.headers.getlist("Client-Cert"),
        )
        return self._protection.judge(request, presented, requirements)


def _response(answer: Answer) -> flask.Response:
    return flask.Response(answer.body, answer.status, answer.headers)
