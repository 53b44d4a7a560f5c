"""The metadata of a protected resource, for clients that know nothing but its URL (RFC 9728; pure)."""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from roomkey.errors import ConfigurationError
from roomkey.http.transport import check_endpoint_url

_WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9._~/-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedResource:
    """An API's metadata; the members' names and meaning are those of RFC 9728 section 2.

    Parameters:
        resource: the API's own URL as its clients know it, without query: ``https://orders.example``.
        scopes_supported: the scopes that its routes require; by default those that ``require`` has been given. What a
            middleware requires of every request is always among them: some clients request these scopes and no others.
        authorization_servers: the issuers of its tokens; by default those that its validator trusts.
        resource_name: its name for users, or None.
        resource_documentation: the URL of a page for developers, or None.
    """

    resource: str
    scopes_supported: Collection[str] = ()
    authorization_servers: Collection[str] = ()
    resource_name: str | None = None
    resource_documentation: str | None = None

    def __post_init__(self) -> None:
        """Check and normalise; raises ConfigurationError. Does no I/O."""
        check_endpoint_url(self.resource, "resource=")
        if "?" in self.resource or not _PLAIN_PATH.fullmatch(urlsplit(self.resource).path):
            raise ConfigurationError("resource= has a query or a path that needs escapes; give a URL without them.")
        for name in ("scopes_supported", "authorization_servers"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value.split() if isinstance(value, str) else value))

    @property
    def metadata_path(self) -> str:
        """The path at which the API serves its metadata (section 3.1)."""
        path = urlsplit(self.resource).path
        return _WELL_KNOWN if path == "/" else _WELL_KNOWN + path

    @property
    def metadata_url(self) -> str:
        """The absolute URL of the metadata, which challenges name as ``resource_metadata`` (section 5.1)."""
        parts = urlsplit(self.resource)
        return f"{parts.scheme}://{parts.netloc}{self.metadata_path}"

    def document(
        self, issuers: Sequence[str], dpop_algorithms: Sequence[str] = (), scopes: Sequence[str] = ()
    ) -> bytes:
        """Return the metadata as JSON (section 3.2).

        ``issuers`` are the authorization servers where none are named, ``dpop_algorithms`` what proofs may be signed
        with, empty where none are accepted, ``scopes`` what is required beside ``scopes_supported``.
        """
        members: dict[str, Any] = {
            "resource": self.resource,
            "authorization_servers": self.authorization_servers or issuers,
            "scopes_supported": tuple(dict.fromkeys((*scopes, *self.scopes_supported))),
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": dpop_algorithms,
            "resource_name": self.resource_name,
            "resource_documentation": self.resource_documentation,
        }
        return json.dumps({name: value for name, value in members.items() if value}).encode()
