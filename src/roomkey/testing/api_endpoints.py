"""What a test issuer offers to APIs: its keys, introspection (RFC 7662), status list and deny list."""

from typing import TYPE_CHECKING, Any, Final

from roomkey.testing.loopback import Answer, ReceivedRequest, json_answer
from roomkey.testing.token_endpoint import Refusal, Submission, authenticated_client

if TYPE_CHECKING:
    from roomkey.testing.issuer import Issuer

ENDPOINTS: Final = {
    "/oauth2/jwks": "keys",
    "/oauth2/introspect": "introspection",
    "/oauth2/status-list": "status_list",
    "/oauth2/deny-list": "deny_list",
}
"""The paths, and the names by which ``Issuer.faulty`` knows them."""


def answer_api(issuer: "Issuer", name: str, request: ReceivedRequest) -> Answer:
    """The answer of the endpoint called ``name``."""
    if name == "introspection":
        return _introspection(issuer, request)
    if name == "keys":
        return json_answer(issuer.keys.jwks())
    lists = issuer.lists
    kind, token = ("statuslist", lists.status_list) if name == "status_list" else ("denylist", lists.deny_list)
    headers = [] if lists.etag is None else [("etag", lists.etag)]
    if lists.etag is not None and request.header("if-none-match") == lists.etag:
        return Answer(304, headers=headers)
    return Answer(200, token().encode(), [("content-type", f"application/{kind}+jwt"), *headers])


def _introspection(issuer: "Issuer", request: ReceivedRequest) -> Answer:
    if request.method != "POST" or request.query:
        return json_answer({"error": "invalid_request"}, 400)
    sent = Submission(request, form_encoded_basic=issuer.basic_form_encoded)
    try:
        client = authenticated_client(issuer, sent)
    except Refusal as refusal:
        return json_answer({"error": refusal.error}, refusal.status)
    if client.client_secret is None and client.keys is None:
        return json_answer({"error": "invalid_client"}, 401)
    members = _known(issuer, sent.value("token") or "")
    return json_answer(members if issuer.introspection_shape is None else issuer.introspection_shape(members))


def _known(issuer: "Issuer", token: str) -> dict[str, Any]:
    held = issuer.ledger.access(token)
    if held is None:
        return {"active": False}
    grant = held.grant
    return {
        "active": True,
        "iss": issuer.url,
        "sub": grant.subject,
        "client_id": grant.client_id,
        "scope": grant.scope,
        "aud": grant.audience[0] if len(grant.audience) == 1 else list(grant.audience),
        "exp": int(issuer.wall() + held.expires - issuer.monotonic()),
        "token_type": "Bearer",
    }
