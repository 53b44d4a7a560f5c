"""What an issuer says of itself, and which addresses may be asked (RFC 8414, OpenID Connect Discovery 1.0; pure)."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from roomkey.errors import ConfigurationError
from roomkey.oauth.answer_paths import read_members
from roomkey.oauth.endpoint_error import TokenEndpointError
from roomkey.oauth.messages import Response


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """The part of an issuer's metadata that roomkey uses."""

    issuer: str
    token_endpoint: str


def check_endpoint_url(url: str, setting: str) -> str:
    """``url`` where secrets may be sent to it: https, or http on a loopback address, without user and fragment.

    Raises ConfigurationError, which names ``setting``.
    """
    problem = _problem(url)
    if problem:
        raise ConfigurationError(f"{setting} {problem}; give an https:// address (http:// is for loopback alone).")
    return url


def _problem(url: str) -> str:
    if not isinstance(url, str):
        return "is not a text"
    if not url.isascii() or any(character.isspace() or not character.isprintable() for character in url):
        return "holds characters that an address cannot have"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return "is not an address"
    return _part_problem(parts, host)


def _part_problem(parts: SplitResult, host: str) -> str:
    if parts.scheme not in {"https", "http"} or not host:
        return "is not an https:// address"
    if parts.scheme == "http" and not is_loopback(host):
        return "is not https"
    if parts.username is not None or parts.password is not None:
        return "has a user name or password in it"
    return "has a fragment" if parts.fragment else ""


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and the loopback addresses, as names or numbers. Looks nothing up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
    endpoint = members.at("token_endpoint")
    if not isinstance(endpoint, str) or _problem(endpoint):
        raise TokenEndpointError(
            "no_token_endpoint", "The metadata names no token endpoint that may be used.", status=response.status
        )
    return ServerMetadata(issuer, endpoint)
