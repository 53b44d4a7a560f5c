"""What an issuer says of itself, and which addresses may be asked (RFC 8414, OpenID Connect Discovery 1.0; pure)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from roomkey.http.address import address_problem
from roomkey.http.messages import Response
from roomkey.oauth.answer_paths import read_members
from roomkey.oauth.endpoint_error import TokenEndpointError


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """The part of an issuer's metadata that roomkey uses; an address is None where there is none that may be used."""

    issuer: str
    token_endpoint: str | None = None
    jwks_uri: str | None = None
    introspection_endpoint: str | None = None


def well_known_urls(issuer: str) -> tuple[str, ...]:
    """Where the metadata of ``issuer`` may stand, the likeliest first: RFC 8414 section 3.1, then OpenID's place."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )


def read_metadata(response: Response, issuer: str) -> ServerMetadata:
    """The metadata in ``response``; TokenEndpointError where it is not that of ``issuer`` (RFC 8414 section 3.3)."""
    if response.status != 200:
        raise TokenEndpointError(
            "server_error" if response.status >= 500 else "no_metadata",
            f"The issuer's metadata could not be had (HTTP {response.status}); check issuer= or give token_endpoint=.",
            status=response.status,
        )
    members = read_members(response)
    if members.at("issuer") != issuer:
        raise TokenEndpointError(
            "issuer_mismatch",
            "The metadata belongs to another issuer; issuer= must be equal to it, letter for letter.",
            status=response.status,
        )
    return ServerMetadata(
        issuer,
        token_endpoint=_address(members.at("token_endpoint"), issuer),
        jwks_uri=_address(members.at("jwks_uri"), issuer),
        introspection_endpoint=_address(members.at("introspection_endpoint"), issuer),
    )


def _address(value: object, issuer: str) -> str | None:
    # http is for loopback alone, and an issuer elsewhere has no say in what is asked there.
    if not isinstance(value, str) or address_problem(value):
        return None
    return None if urlsplit(issuer).scheme == "https" != urlsplit(value).scheme else value
