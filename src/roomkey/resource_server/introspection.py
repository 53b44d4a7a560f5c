"""Token introspection: its settings, the request, and the checks of the response (RFC 7662; pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from roomkey.errors import ConfigurationError
from roomkey.http.messages import Request, Response
from roomkey.http.transport import check_endpoint_url
from roomkey.jose import strict_json
from roomkey.jose.claims import LATEST_TIME, ClaimRules, check_audience, check_issuer, read_string, read_time
from roomkey.jose.reasons import invalid_token
from roomkey.oauth.client_authentication import (
    Authentication,
    PrivateKeyJWT,
    authenticated_request,
    checked_authentication,
)
from roomkey.oauth.source import Moment, Revealed
from roomkey.secret import Secret

Mode = Literal["local", "introspect", "both"]
LARGEST_RESPONSE: Final = 65_536
_MODES: Final = ("local", "introspect", "both")
_LONGEST_TTL: Final = 3600.0
_TYPES: Final = frozenset({"bearer", "dpop", "access_token", "urn:ietf:params:oauth:token-type:access_token"})
_USES: Final = frozenset({"access_token", "access"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Introspection:
    """How an API asks the auth service about tokens.

    Opaque tokens are always introspected; ``mode`` says what happens to JWTs.

    Parameters:
        client_id: the API's own client at the auth service.
        client_secret: its secret, as a string or ``Secret``; a file is read again when it changes.
        endpoint: the URL; by default the ``introspection_endpoint`` of the issuer's metadata.
        authentication: ``client_secret_basic`` (the default), ``client_secret_basic_raw``, ``client_secret_post``, or
            ``PrivateKeyJWT(...)`` in place of a secret.
        mode: ``local`` verifies the signature of JWTs, and introspects only for ``fresh=True``; ``introspect`` asks
            about each instead; ``both`` verifies the signature, then introspects.
        ttl: seconds for which a response is cached, at most an hour and never beyond the token's ``exp``; 0 for none.
        inactive_ttl: seconds for which a token stays rejected without another request.
        timeout: seconds for one request, discovery included.
        most: how many responses are cached.
    """

    client_id: str
    client_secret: Secret | str | None = None
    endpoint: str | None = None
    authentication: Authentication | None = None
    mode: Mode = "introspect"
    ttl: float = 30.0
    inactive_ttl: float = 5.0
    timeout: float = 5.0
    most: int = 10_000

    def __post_init__(self) -> None:
        if not isinstance(self.client_id, str) or not self.client_id:
            raise ConfigurationError("client_id= of Introspection is missing; name the client that the API is.")
        if self.endpoint is not None:
            check_endpoint_url(self.endpoint, "endpoint= of Introspection")
        if self.mode not in _MODES:
            raise ConfigurationError(f"mode= of Introspection must be one of {', '.join(_MODES)}.")
        if not 0.0 <= self.ttl <= _LONGEST_TTL or not 0.0 <= self.inactive_ttl <= _LONGEST_TTL:
            raise ConfigurationError("ttl= and inactive_ttl= of Introspection must be seconds from 0 to 3,600.")
        if not 0.0 < self.timeout <= 60.0 or self.most < 1:
            raise ConfigurationError("timeout= of Introspection must be above 0 and at most 60 s, and most= above 0.")
        has_secret = self.client_secret is not None
        method = checked_authentication(self.authentication, client_id=self.client_id, has_secret=has_secret)
        if method == "none":
            raise ConfigurationError("Introspection needs client_secret=, or authentication=PrivateKeyJWT(...) alone.")
        object.__setattr__(self, "authentication", method)
        if self.client_secret is not None:
            object.__setattr__(self, "client_secret", Secret.of(self.client_secret))

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """Return the secrets by name."""
        if isinstance(self.authentication, PrivateKeyJWT):
            return self.authentication.secrets()
        return () if self.client_secret is None else (("client_secret", Secret.of(self.client_secret)),)

    def request(self, endpoint: str, token: str, revealed: Revealed, moment: Moment, *, issuer: str) -> Request:
        """Return the request about ``token`` (section 2.1): a POST, so that the token stands in no URL."""
        assert self.authentication is not None  # noqa: S101 - set in __post_init__
        return authenticated_request(
            endpoint,
            (("token", token), ("token_type_hint", "access_token")),
            authentication=self.authentication,
            client_id=self.client_id,
            revealed=revealed,
            server=issuer,
            moment=moment,
        )


def read_introspection(response: Response) -> dict[str, Any] | Literal["inactive", "malformed"]:
    """Return the claims of a token that is active, or a code for every other response (section 2.2).

    ``active`` must be a JSON boolean: ``"true"`` and ``1`` are malformed, as is a response that has a member twice.
    """
    members = strict_json.read_object(response.body) if len(response.body) <= LARGEST_RESPONSE else None
    active = None if members is None else members.get("active")
    if members is not None and active is True:
        return members
    return "inactive" if active is False else "malformed"


def check_response(claims: Mapping[str, Any], rules: ClaimRules, *, now: float, verified: bool) -> None:
    """Raise InvalidToken where the ``claims`` of an active token do not meet ``rules`` at ``now``.

    ``iss``, ``exp`` and ``nbf`` are checked where they are present, and the token must be an access token. ``aud`` must
    name the API unless every audience is accepted; for a token whose own claims are ``verified`` it may be absent.
    """
    if "iss" in claims:
        check_issuer(claims, rules.issuer)
    if not verified or "aud" in claims:
        check_audience(claims, rules.audiences)
    expires = read_time(claims, "exp")
    if expires is not None and now >= expires + rules.leeway:
        raise invalid_token("expired", "exp")
    not_before = read_time(claims, "nbf", earliest=-LATEST_TIME)
    if not_before is not None and now < not_before - rules.leeway:
        raise invalid_token("not_yet_valid", "nbf")
    read_time(claims, "iat")
    for name, known in (("token_type", _TYPES), ("token_use", _USES)):
        kind = read_string(claims, name)
        if kind is not None and kind.lower() not in known:
            raise invalid_token("wrong_type", name)
    for name in ("sub", "jti", "client_id"):
        read_string(claims, name)
