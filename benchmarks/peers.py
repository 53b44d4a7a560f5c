"""The peers, each set up as its own documentation says and asked, over and over, for a request's Authorization header.

A `Peer` is one shared object, as an app would keep it, behind `authorization()`: what the library does before every
request, from looking at the token it holds to the header value that it would send, fetching a token where it must.
MSAL and azure-identity accept nothing but https: they speak TLS to the same server, with its certificate handed over by
their own documented options.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import azure.core.pipeline
import azure.core.pipeline.policies
import azure.core.rest
import azure.identity
import google.auth.transport.requests
import google.oauth2.credentials
import httpx
import httpx_auth
import msal
import oauthlib.oauth2
import requests_oauthlib
from authlib.integrations.httpx_client import OAuth2Client

from ours import CLIENT_ID, CLIENT_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from server import Server

SCOPE = "orders/.default"
API_URL = "https://orders.example/orders"  # attached to, never called
METHOD = "GET"


@dataclass(frozen=True, slots=True)
class Peer:
    """A library's name and its shared object; `authorization` may fetch a token, and raises where it has none."""

    name: str
    authorization: Callable[[], str]


def authlib(server: Server) -> Peer:
    """OAuth2Client on httpx2; it renews client-credentials tokens by itself once it has had a first one."""
    client = authlib_client(server)

    def authorization() -> str:
        if not client.token:
            client.fetch_token()
        client.ensure_active_token(client.token)
        _, headers, _ = client.token_auth.prepare(API_URL, {}, b"")
        return str(headers["Authorization"])

    return Peer("Authlib", authorization)


def authlib_client(server: Server) -> OAuth2Client:
    return OAuth2Client(CLIENT_ID, CLIENT_SECRET, token_endpoint=server.token_endpoint, grant_type="client_credentials")


def msal_application(server: Server) -> Peer:
    application = msal.ConfidentialClientApplication(
        CLIENT_ID,
        client_credential=CLIENT_SECRET,
        oidc_authority=f"{server.secure_origin}/tenant",
        verify=str(server.ca_file),
        instance_discovery=False,
    )

    def authorization() -> str:
        answer = application.acquire_token_for_client([SCOPE])
        if "access_token" not in answer:
            raise RuntimeError(answer.get("error"))
        return f"Bearer {answer['access_token']}"

    return Peer("MSAL", authorization)


def azure_credential(server: Server) -> azure.identity.ClientSecretCredential:
    return azure.identity.ClientSecretCredential(
        "tenant",
        CLIENT_ID,
        CLIENT_SECRET,
        authority=server.secure_origin,
        disable_instance_discovery=True,
        connection_verify=str(server.ca_file),
    )


def azure_identity(server: Server) -> Peer:
    credential = azure_credential(server)
    return Peer("azure-identity", lambda: f"Bearer {credential.get_token(SCOPE).token}")


def azure_core(server: Server) -> Peer:
    """The policy that every Azure client puts in front of azure-identity; it keeps the last token itself."""
    policy = azure.core.pipeline.policies.BearerTokenCredentialPolicy(azure_credential(server), SCOPE)
    request = azure.core.rest.HttpRequest(METHOD, API_URL)  # made once: making it is not what is measured
    in_pipeline = azure.core.pipeline.PipelineRequest(request, azure.core.pipeline.PipelineContext(None))

    def authorization() -> str:
        policy.on_request(in_pipeline)
        return str(request.headers["Authorization"])

    return Peer("azure-core policy", authorization)


def google_auth(server: Server) -> Peer:
    """User credentials, because a service account would look up its region at googleapis.com in the background."""
    credentials = google.oauth2.credentials.Credentials(
        None,
        refresh_token="a-refresh-token",
        token_uri=server.token_endpoint,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
    )
    transport = google.auth.transport.requests.Request()

    def authorization() -> str:
        headers: dict[str, str] = {}
        credentials.before_request(transport, METHOD, API_URL, headers)
        return headers["authorization"]

    return Peer("google-auth", authorization)


def httpx_auth_peer(server: Server) -> Peer:
    auth = httpx_auth_flow(server)
    request = httpx.Request(METHOD, API_URL)  # made once: making it is not what is measured

    def authorization() -> str:
        next(auth.auth_flow(request))
        return request.headers["Authorization"]

    return Peer("httpx-auth", authorization)


def httpx_auth_flow(server: Server) -> httpx.Auth:
    httpx_auth.OAuth2.token_cache.clear()  # it is shared by all of a process
    return httpx_auth.OAuth2ClientCredentials(server.token_endpoint, CLIENT_ID, CLIENT_SECRET)


def requests_oauthlib_peer(server: Server) -> Peer:
    """It never renews a client-credentials token, so it takes part where a token is only attached."""
    session = requests_oauthlib.OAuth2Session(client=oauthlib.oauth2.BackendApplicationClient(CLIENT_ID))
    client = session._client  # `session.request` attaches through this one
    client.parse_request_body_response(f'{{"access_token": "{server.token()}", "token_type": "Bearer"}}')

    def authorization() -> str:
        _, headers, _ = client.add_token(API_URL, http_method=METHOD, headers={})
        return str(headers["Authorization"])

    return Peer("requests-oauthlib", authorization)


RENEWING = (authlib, msal_application, azure_identity, azure_core, google_auth, httpx_auth_peer)
"""Builders of the peers that fetch and renew tokens by themselves."""
