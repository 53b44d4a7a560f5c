"""Authorization server metadata, as RFC 8414 and OpenID Connect clients look it up."""

import json
from typing import Any

from roomkey.authorization_server.clients.assertion import ALGORITHMS
from roomkey.authorization_server.clients.credentials import Method
from roomkey.authorization_server.endpoints.token import GRANTS
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.web.endpoint import Endpoint
from roomkey.authorization_server.web.request_response import JSON, BufferedRequest, RawResponse


def metadata_endpoint(settings: Settings) -> Endpoint:
    """Return the endpoint of both well-known URLs; every link comes from the settings, none from the request."""
    body = json.dumps(metadata(settings), indent=1).encode()

    async def handle(_: BufferedRequest) -> RawResponse:
        return RawResponse(200, body, (JSON, (b"cache-control", b"public, max-age=3600")))

    return Endpoint(handle, methods=frozenset({"GET", "HEAD"}))


def metadata(settings: Settings) -> dict[str, Any]:
    """Return the metadata of a service with ``settings`` (pure).

    The service issues no ID tokens: what OpenID Connect says of these is left out, also at OpenID's own URL, which
    RFC 8414 section 5 lets any authorization server use.
    """
    issuer = settings.issuer
    secret_or_key = [Method.BASIC, Method.POST, Method.PRIVATE_KEY_JWT]
    algorithms = sorted(ALGORITHMS)
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth2/authorize",
        "token_endpoint": f"{issuer}/oauth2/token",
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "jwks_uri": f"{issuer}/oauth2/jwks",
        "grant_types_supported": sorted(GRANTS),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "token_endpoint_auth_methods_supported": [*secret_or_key, Method.NONE],
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": secret_or_key,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_signing_alg_values_supported": ["ES256"],
        "revocation_endpoint_auth_methods_supported": [*secret_or_key, Method.NONE],
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "subject_types_supported": ["public"],
        "status_list_endpoint": f"{issuer}/oauth2/status-list",
        "deny_list_endpoint": f"{issuer}/oauth2/deny-list",
    }
