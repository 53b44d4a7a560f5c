"""Client authentication at the token endpoint: a secret, or a JWT signed with the client's private key.

RFC 6749 section 2.3 and RFC 7523 section 2.2. Pure: no I/O, no clock.
"""

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal
from urllib.parse import quote_plus, urlencode

from roomkey.errors import ConfigurationError
from roomkey.http.messages import Request
from roomkey.oauth.source import Moment, Revealed
from roomkey.secret import Secret

if TYPE_CHECKING:
    from roomkey.jose.signing_key import SigningKey

ClientAuthentication = Literal["client_secret_basic", "client_secret_basic_raw", "client_secret_post", "none"]
Form = tuple[tuple[str, str], ...]

METHODS: Final[tuple[ClientAuthentication, ...]] = (
    "client_secret_basic",
    "client_secret_basic_raw",
    "client_secret_post",
    "none",
)
_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKeyJWT:
    """Authentication of a client with a key pair: ``ClientCredentials(..., authentication=PrivateKeyJWT(...))``.

    Parameters:
        private_key: PEM (PKCS #8) or a private JWK, as a string or ``Secret``; a file is read again when it changes.
        key_id: the ``kid`` by which the server knows the public key; that of the JWK by default.
        algorithm: such as ``PS256``; by default the JWK's ``alg``, or what suits the key and the server's metadata
            (RS256, ES256, EdDSA where that does not say).
        audience: what the server wants in ``aud``; by default the issuer, or the token endpoint where no issuer is set.
    """

    private_key: Secret | str
    key_id: str | None = None
    algorithm: str | None = None
    audience: str | None = None

    name: ClassVar[str] = "private_key_jwt"

    def __post_init__(self) -> None:
        object.__setattr__(self, "private_key", Secret.of(self.private_key))
        for name in ("key_id", "algorithm", "audience"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise ConfigurationError(f"PrivateKeyJWT({name}=...) must be a string that is not empty.")

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The private key."""
        return (("private_key", Secret.of(self.private_key)),)

    def parameters(self) -> tuple[str, ...]:
        """Everything that is no secret."""
        return (self.name, *(repr(value) for value in (self.key_id, self.algorithm, self.audience)))

    def assertion(self, *, client_id: str, revealed: Revealed, server: str, moment: Moment) -> Form:
        """The form parameters that authenticate the client to the URL ``server``; they are valid for a minute.

        Raises ConfigurationError for a key that cannot sign.
        """
        from roomkey.jose.signing_key import SigningKey  # loads cryptography, which few clients need for this

        try:
            key = SigningKey.read(
                Secret(revealed.values["private_key"]),
                algorithm=self.algorithm,
                key_id=self.key_id,
                accepted=moment.algorithms,
            )
        except ConfigurationError as error:
            problem = str(error)
        else:
            return self._signed(key, client_id=client_id, server=server, moment=moment)
        raise ConfigurationError(f"{problem} {revealed.origins}.")

    def _signed(self, key: "SigningKey", *, client_id: str, server: str, moment: Moment) -> Form:
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": self.audience or server,
            "iat": int(moment.wall),
            "exp": int(moment.wall + _ASSERTION_SECONDS),
            "jti": moment.identifier,
        }
        return (("client_assertion_type", _ASSERTION_TYPE), ("client_assertion", key.sign(claims)))


Authentication = ClientAuthentication | PrivateKeyJWT


def checked_authentication(
    authentication: Authentication | None, *, client_id: str, has_secret: bool
) -> Authentication:
    """``authentication``, by default Basic where there is a secret; raises ConfigurationError where it cannot work."""
    method = authentication or ("client_secret_basic" if has_secret else "none")
    name = method.name if isinstance(method, PrivateKeyJWT) else method
    if not isinstance(method, PrivateKeyJWT) and method not in METHODS:
        raise ConfigurationError(f"authentication= is one of {', '.join(METHODS)}, or PrivateKeyJWT(...).")
    if name.startswith("client_secret") != has_secret:
        raise ConfigurationError(f"authentication={name!r} and client_secret= do not go together.")
    if isinstance(method, PrivateKeyJWT) and not client_id:
        raise ConfigurationError("client_id= is missing; PrivateKeyJWT signs for a client.")
    return method


def authenticated_request(
    endpoint: str,
    form: Form,
    *,
    authentication: Authentication,
    client_id: str,
    revealed: Revealed,
    server: str,
    moment: Moment,
) -> Request:
    """The POST of ``form`` to ``endpoint`` with the client's authentication; an assertion is made for ``server``.

    ``authentication`` comes from ``checked_authentication``; ``revealed`` has ``client_secret``, or what
    ``PrivateKeyJWT.secrets`` names. ``client_secret_basic`` form-encodes both parts before they are joined, as the
    RFC asks; ``client_secret_basic_raw`` is for servers that forgot to. Parameters that stand in ``form`` twice stay
    twice. Raises ConfigurationError for a key that cannot sign.
    """
    headers: Form = (("Accept", "application/json"), ("Content-Type", "application/x-www-form-urlencoded"))
    if isinstance(authentication, PrivateKeyJWT):
        form += authentication.assertion(client_id=client_id, revealed=revealed, server=server, moment=moment)
    if authentication == "client_secret_basic":
        headers += (_basic(quote_plus(client_id), quote_plus(revealed.values["client_secret"])),)
    elif authentication == "client_secret_basic_raw":
        headers += (_basic(client_id, revealed.values["client_secret"]),)
    elif client_id:
        form += (("client_id", client_id),)
        if authentication == "client_secret_post":
            form += (("client_secret", revealed.values["client_secret"]),)
    return Request("POST", endpoint, headers, urlencode(form).encode())


def _basic(name: str, password: str) -> tuple[str, str]:
    return ("Authorization", "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode())
