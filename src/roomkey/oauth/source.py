"""Token sources: the protocol that all of them share, their secrets, and one key for each of them (pure)."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, final

from roomkey.http.messages import Request, Response
from roomkey.secret import Confidential, Secret, fingerprint

if TYPE_CHECKING:
    from roomkey.oauth.token_response import TokenResponse

Parameters = tuple[tuple[str, tuple[str, ...]], ...]
"""(name, values) of everything in a source that shapes its token and is no secret."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When one request is made, and for which server.

    Attributes:
        wall: when it is built, in seconds since 1970.
        identifier: a word that no other request has.
        methods: ways of client authentication that the server's metadata offers; empty where it does not say.
        algorithms: those that it takes in client assertions; as ``methods``.
    """

    wall: float
    identifier: str
    methods: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()


class AppCredential(Protocol):
    """The app's own managed token, which a login call may carry."""

    def header(self) -> str:
        """The ``Authorization`` value; may block."""

    def reject(self, token: str, *, origin: str = "") -> object:
        """Report that ``token`` was rejected."""

    def parameters(self) -> Parameters:
        """Everything that distinguishes it from another one and is no secret."""

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """Its secrets by name."""


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Revealed(Confidential):
    """A source's secrets in clear while one request is built, and the app's own header where the login carries one.

    Attributes:
        values: the secrets by name.
        authorization: the app's header, or None.
        secrets: the same by name, as they were given.
        joined: all values in one byte string, from which none can be mistaken for another.
        mark: tells one set of secrets from another within this process; reveals nothing.
    """

    values: Mapping[str, str]
    authorization: str | None = None
    secrets: tuple[tuple[str, Secret], ...] = ()
    joined: bytes = b""
    mark: str = ""

    @property
    def origins(self) -> str:
        """Where the secrets came from, in words."""
        return " and ".join(dict.fromkeys(f"{name} came from {secret.origin}" for name, secret in self.secrets))

    def authorized_by(self, authorization: str) -> "Revealed":
        """The same secrets with another header of the app."""
        return replace(self, authorization=authorization)

    def __repr__(self) -> str:
        return f"Revealed({', '.join(sorted(self.values))})"


class Source(Protocol):
    """A way to get a token from an endpoint; implementations are frozen values that do no I/O."""

    kind: ClassVar[str]

    @property
    def issuer(self) -> str | None:
        """The issuer whose metadata names the token endpoint, or None."""

    @property
    def token_endpoint(self) -> str | None:
        """The absolute URL that is asked, or None where the issuer's metadata names it."""

    @property
    def scope(self) -> str | None:
        """The scope that is asked for, or None."""

    @property
    def authenticated_by(self) -> AppCredential | None:
        """The app's own credential, where the login carries its token."""

    @property
    def description(self) -> str:
        """Kind, client and endpoint in words, without a secret."""

    def parameters(self) -> Parameters:
        """Everything that shapes the token and is no secret."""

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The secrets by name."""

    def login_request(self, endpoint: str, revealed: Revealed, moment: Moment) -> Request:
        """The request that gets a token from scratch."""

    def refresh_request(self, endpoint: str, revealed: Revealed, refresh_token: str, moment: Moment) -> Request:
        """The request that spends ``refresh_token``."""

    def read_response(self, response: Response, *, wall: float) -> "TokenResponse":
        """The token in ``response``, which arrived at second ``wall`` of its server; raises TokenEndpointError."""

    def with_scope(self, scope: str) -> Self:
        """The same source for another scope."""


def reveal(secrets: Iterable[tuple[str, Secret]], authorization: str | None = None) -> Revealed:
    """Read ``secrets`` from where they are kept; may block on a file or a callable, raises SecretUnavailable."""
    named = tuple(secrets)
    # No local holds a value while others are still read: a traceback can show locals.
    values = {name: secret.reveal() for name, secret in named}
    joined = _length_prefixed(
        part.encode("utf-8", "surrogatepass") for name in sorted(values) for part in (name, values[name])
    )
    return Revealed(values, authorization, named, joined, fingerprint(joined))


def canonical(kind: str, parameters: Parameters, context: str, *secrets: bytes) -> bytes:
    """32 bytes that are equal for equal arguments only: every part is preceded by its length, so no separator in a
    value can make two different sources look alike. ``secrets`` are fingerprints, never the secrets."""
    parts = [kind, context]
    for name, values in parameters:
        parts += [name, str(len(values)), *values]
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return hashlib.sha256(_length_prefixed([*encoded, *secrets])).digest()


def _length_prefixed(parts: Iterable[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(8) + part for part in parts)
