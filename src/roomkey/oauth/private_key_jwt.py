"""A client that proves itself by a JWT of its own in place of a shared secret (RFC 7523 section 2.2; pure)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from roomkey.errors import ConfigurationError
from roomkey.oauth.client_authentication import Form
from roomkey.oauth.source import Moment, Revealed
from roomkey.secret import Secret

if TYPE_CHECKING:
    from roomkey.jose.signing_key import SigningKey

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIFETIME: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKeyJWT:
    """How a client with a key pair authenticates: ``ClientCredentials(..., authentication=PrivateKeyJWT(...))``.

    Parameters:
        private_key: PEM (PKCS #8) or a private JWK, as text or ``Secret``; a file is read again when it changes.
        key_id: the ``kid`` by which the server knows the public key; that of the JWK by default.
        algorithm: such as ``PS256``; by default the JWK's ``alg``, or what suits the key (RS256, ES256, EdDSA).
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
                raise ConfigurationError(f"{name}= of PrivateKeyJWT is a text that is not empty.")

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The private key."""
        return (("private_key", Secret.of(self.private_key)),)

    def parameters(self) -> tuple[str, ...]:
        """Everything that is no secret."""
        return (self.name, *(repr(value) for value in (self.key_id, self.algorithm, self.audience)))

    def proof(self, *, client_id: str, revealed: Revealed, server: str, moment: Moment) -> Form:
        """The parameters that prove the client at ``moment``, good for a minute and one use; ``server`` is its address.

        Raises ConfigurationError for a key that cannot sign.
        """
        from roomkey.jose.signing_key import SigningKey  # loads cryptography, which few clients need for this

        try:
            key = SigningKey.read(Secret(revealed["private_key"]), algorithm=self.algorithm, key_id=self.key_id)
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
            "exp": int(moment.wall + _LIFETIME),
            "jti": moment.identifier,
        }
        return (("client_assertion_type", _ASSERTION_TYPE), ("client_assertion", key.sign(claims)))
