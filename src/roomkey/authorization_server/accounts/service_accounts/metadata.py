"""Client metadata: grants, authentication, redirect URIs (RFC 9700 2.1, RFC 8252), public keys (RFC 7523)."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from msgspec import Meta

from roomkey.authorization_server.accounts.service_accounts.model import Authentication, GrantType
from roomkey.authorization_server.commands.fields import Typed
from roomkey.authorization_server.errors import Invalid
from roomkey.http.transport import url_problem

_MOST_URIS: Final = 20
_LONGEST_URI: Final = 500
_CHARACTERS: Final = re.compile(r"[A-Za-z0-9._~:/?&=%+@!$'()*,;\[\]-]+", re.ASCII)
_PRIVATE_USE: Final = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+", re.ASCII)
_LARGEST_JWKS: Final = 16_384
_MOST_KEYS: Final = 10
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
Grants = Annotated[
    tuple[GrantType, ...],
    Meta(
        description="client_credentials, refresh_token, password, authorization_code.",
        extra={"must be": "a list of client_credentials, refresh_token, password and authorization_code"},
    ),
    Typed(metavar="A,B"),
]
Proof = Annotated[
    Authentication,
    Meta(description="How it proves itself: client_secret_basic, client_secret_post, private_key_jwt or none."),
    Typed(metavar="METHOD"),
]
Jwks = Annotated[
    str,
    Meta(description="Its public keys, for private_key_jwt: a JWK set as JSON."),
    Typed(metavar="FILE", read="file"),
]
RedirectUris = Annotated[
    tuple[str, ...],
    Meta(description="Where its authorization codes may go."),
    Typed("--redirect-uri", metavar="URL", read="each"),
]
Native = Annotated[bool, Meta(description="A program on a user's machine.")]
AllowsPassword = Annotated[
    bool,
    Meta(description="Whether its password grant takes users who have a second factor."),
    Typed("--allows-password-with-mfa/--no-password-with-mfa"),
]


def client_metadata(
    grants: Sequence[str], authentication: str, jwks: str | None, redirect_uris: Sequence[str], *, native: bool
) -> dict[str, Any]:
    """The columns that depend on each other: grants, authentication, keys, redirect URIs; raises Invalid."""
    if (jwks is not None) != (authentication == "private_key_jwt"):
        raise Invalid("Keys (jwks) belong to private_key_jwt, and it needs them.", field="jwks")
    if authentication == "none" and "client_credentials" in grants:
        raise Invalid("An account without authentication has no credentials to get tokens with.", field="grants")
    uris = checked_redirect_uris(redirect_uris, native=native)
    if bool(uris) != ("authorization_code" in grants):
        raise Invalid("Redirect URIs belong to the authorization_code grant, and it needs one.", field="redirect_uris")
    return {
        "grants": " ".join(dict.fromkeys(grants)),
        "authentication": authentication,
        "jwks": None if jwks is None else checked_jwks(jwks),
        "redirect_uris": "\n".join(uris),
        "native": int(native),
    }


def checked_redirect_uris(values: Iterable[str], *, native: bool) -> tuple[str, ...]:
    """``values``, each once: https, http on loopback, for a ``native`` program a scheme of its own; raises Invalid."""
    chosen = tuple(dict.fromkeys(values))
    if len(chosen) > _MOST_URIS:
        raise Invalid(f"At most {_MOST_URIS} redirect URIs can be named.", field="redirect_uris")
    for value in chosen:
        problem = _problem(value, native=native)
        if problem:
            raise Invalid(f"A redirect URI {problem}.", field="redirect_uris")
    return chosen


def _problem(value: str, *, native: bool) -> str:
    if len(value) > _LONGEST_URI or not _CHARACTERS.fullmatch(value):
        return f"must be at most {_LONGEST_URI} ASCII characters, without a fragment, spaces and backslashes"
    try:
        scheme = urlsplit(value).scheme
    except ValueError:
        return "is not a URL"
    if native and _PRIVATE_USE.fullmatch(scheme):
        return ""
    return url_problem(value)


def checked_jwks(text: str) -> str:
    """``text``, a JWK set or one JWK, as it is stored; raises Invalid.

    Every key in it must be public and usable: one that would be put aside later is better rejected now.
    """
    from roomkey.jose import strict_json  # with what it imports a tenth of the time that a quick command takes

    data = text.encode("utf-8", "surrogatepass")
    document = strict_json.read_object(data) if len(data) <= _LARGEST_JWKS else None
    if document is None:
        raise _invalid("must be a JSON object of at most 16 KiB, with no member twice")
    keys = [document] if "kty" in document else document.get("keys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= _MOST_KEYS:
        raise _invalid(f"must be a JWK, or a JWK set with 1 to {_MOST_KEYS} keys")
    for position, jwk in enumerate(keys):
        _check(jwk, position)
    return json.dumps({"keys": keys}, separators=(",", ":"), sort_keys=True)


def _check(jwk: Any, position: int) -> None:
    from roomkey.jose.verification_key import UnusableKey, read_jwk

    if isinstance(jwk, dict) and _PRIVATE & jwk.keys():
        raise _invalid(
            f"hold a private or secret key at position {position}; give its public half, and make a new key if this "
            "one has been seen by others"
        )
    try:
        read_jwk(jwk, published=True)
    except UnusableKey as refusal:
        reason = refusal.reason
    else:
        return
    raise _invalid(f"hold a key at position {position} that cannot be used: {reason}")


def _invalid(problem: str) -> Invalid:
    return Invalid(f"The keys (jwks) {problem}.", field="jwks")
