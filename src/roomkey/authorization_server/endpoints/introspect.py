"""``/oauth2/introspect``: token introspection for APIs, in JSON or as a signed JWT (RFC 7662, RFC 9701)."""

from collections.abc import Mapping
from typing import Any, Final

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.introspection import INACTIVE, introspect
from roomkey.authorization_server.tokens.issue import lookup_digest
from roomkey.authorization_server.tokens.last_used import LastUsed
from roomkey.authorization_server.web.accept import weight
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import Endpoint
from roomkey.authorization_server.web.oauth_error import OAuthError, too_many_requests
from roomkey.authorization_server.web.request_response import NO_STORE, BufferedRequest, RawResponse, json_response
from roomkey.authorization_server.web.token_bucket import Rate, TokenBuckets

SIGNED: Final = "token-introspection+jwt"
_MEDIA_TYPE: Final = f"application/{SIGNED}"
_MAX_BODY: Final = 2 * 1024 * 1024  # bytes: an oversized "token" is answered as inactive, like any other
_UNKNOWN_TOKENS: Final = Rate(burst=2000, per_second=500.0)  # many clients' expired tokens at once are no guessing yet


def introspection_endpoint(
    service: Service, clients: ClientAuthentication, limit: ConcurrencyLimit, last_used: LastUsed
) -> Endpoint:
    """Return the endpoint as an ASGI application."""
    unknown, issuer = TokenBuckets(_UNKNOWN_TOKENS), service.settings.issuer

    async def describe(request: BufferedRequest, token: str, caller: Client) -> RawResponse:
        if not caller.audiences:
            raise OAuthError("unauthorized_client", "Only an API's own account may introspect.", status=403)
        digest = lookup_digest(token)
        claims = INACTIVE
        if digest is not None:  # anything else has not the form of our tokens: no guess, and no database access
            at, now = service.clock.monotonic(), service.now()
            if unknown.level(caller.client_id, at) < 1.0:
                raise too_many_requests(1)
            claims, is_app_token = await service.database.read_inline(
                lambda connection: introspect(connection, digest, caller=caller, issuer=issuer, now=now)
            )
            if is_app_token:
                last_used.token(digest, now)
            elif claims is INACTIVE:
                unknown.take(caller.client_id, at)
        if _wants_jwt(request):
            return await _signed_response(service, caller, claims)
        return json_response(claims)

    async def handle(request: BufferedRequest) -> RawResponse:
        form = request.parse_form()
        return await clients.serve(
            request, form, limit, lambda caller: describe(request, form.required("token"), caller)
        )

    return Endpoint(handle, methods=frozenset({"POST"}), max_body=_MAX_BODY)


def _wants_jwt(request: BufferedRequest) -> bool:
    """Return True for a client that names the signed form and wants JSON no more than that (RFC 9701 section 4)."""
    accepted = [value.decode("latin-1") for value in request.header_values(b"accept")]
    if not any(_MEDIA_TYPE in value.lower() for value in accepted):
        return False
    wanted = weight(_MEDIA_TYPE, accepted)
    return wanted > 0.0 and wanted >= weight("application/json", accepted)


async def _signed_response(service: Service, caller: Client, introspected: Mapping[str, Any]) -> RawResponse:
    claims = {
        "iss": service.settings.issuer,
        "aud": caller.client_id,
        "iat": service.now(),
        "token_introspection": introspected,
    }
    token = await service.view(SERVICE, lambda uow: service.keys.load(uow).signing["ES256"].sign(claims, typ=SIGNED))
    return RawResponse(200, token.encode(), ((b"content-type", _MEDIA_TYPE.encode()), NO_STORE))
