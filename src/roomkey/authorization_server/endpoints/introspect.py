"""``/oauth2/introspect``: what an API learns of a token, in JSON or signed (RFC 7662, RFC 9701)."""

from collections.abc import Mapping
from typing import Any, Final

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.introspection import INACTIVE, introspect
from roomkey.authorization_server.tokens.issue import find_ledger_key
from roomkey.authorization_server.tokens.last_used import LastUsed
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import NO_STORE, Answer, Endpoint, Received, json_answer
from roomkey.authorization_server.web.oauth_error import OAuthError, too_many
from roomkey.authorization_server.web.token_bucket import Buckets, Rate

SIGNED: Final = "token-introspection+jwt"
_MEDIA_TYPE: Final = SIGNED.encode()
_LARGEST: Final = 2 * 1024 * 1024  # whoever shows a megabyte to an API is to be told as little as anybody else
_GUESSES: Final = Rate(burst=2000, per_second=500.0)  # dead tokens of many clients at once are no guesses yet


def introspection_endpoint(
    service: Service, clients: ClientAuthentication, crowd: ConcurrencyLimit, last_used: LastUsed
) -> Endpoint:
    """The endpoint, as an ASGI application."""
    guesses, issuer = Buckets(_GUESSES), service.settings.issuer

    async def told(received: Received, token: str, caller: Client) -> Answer:
        if not caller.audiences:
            raise OAuthError("unauthorized_client", "Only an API's own account may introspect.", status=403)
        digest = find_ledger_key(token)
        members = INACTIVE
        if digest is not None:  # what cannot be a token of this service is no guess, and the database is not asked
            at, now = service.clock.monotonic(), service.now()
            if guesses.left(caller.client_id, at) < 1.0:
                raise too_many(1)
            members, is_app_token = await service.database.read_inline(
                lambda connection: introspect(connection, digest, caller=caller, issuer=issuer, now=now)
            )
            if is_app_token:
                last_used.token(digest, now)
            elif members is INACTIVE:
                guesses.take(caller.client_id, at)
        if _wants_signed(received):
            return await _signed(service, caller, members)
        return json_answer(members)

    async def answer(received: Received) -> Answer:
        form = received.form()
        return await clients.serve(received, form, crowd, lambda caller: told(received, form.required("token"), caller))

    return Endpoint(answer, methods=frozenset({"POST"}), largest=_LARGEST)


def _wants_signed(received: Received) -> bool:
    accepted = received.values(b"accept")
    return bool(accepted) and any(_MEDIA_TYPE in value.lower() for value in accepted)


async def _signed(service: Service, caller: Client, members: Mapping[str, Any]) -> Answer:
    claims = {
        "iss": service.settings.issuer,
        "aud": caller.client_id,
        "iat": service.now(),
        "token_introspection": members,
    }
    token = await service.view(SERVICE, lambda uow: uow.keys.load(uow).signing["ES256"].sign(claims, typ=SIGNED))
    return Answer(200, token.encode(), ((b"content-type", f"application/{SIGNED}".encode()), NO_STORE))
