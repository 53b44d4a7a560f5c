"""What a test issuer says of itself (RFC 8414, OpenID Connect Discovery 1.0)."""

from typing import TYPE_CHECKING, Final

from roomkey.testing.ledger import ALL_GRANTS

if TYPE_CHECKING:
    from roomkey.testing.issuer import Issuer

DEFAULT_SCOPE: Final = "orders:read orders:write"


def metadata(issuer: "Issuer") -> dict[str, object]:
    """The members of its metadata."""
    return {
        "issuer": issuer.claimed_issuer or issuer.url,
        "token_endpoint": issuer.token_endpoint,
        "revocation_endpoint": issuer.revocation_endpoint,
        "introspection_endpoint": issuer.introspection_endpoint,
        "jwks_uri": issuer.jwks_uri,
        "grant_types_supported": list(ALL_GRANTS),
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
            "none",
        ],
        "scopes_supported": DEFAULT_SCOPE.split(),
        "response_types_supported": [],
    }
