"""The registered clients and users of a test issuer, and every token that it issued; in memory."""

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from roomkey.jose.jwks.key_set import KeySet
from roomkey.secret import Confidential, fingerprint

_MOST_TOKENS: Final = 200_000
ALL_GRANTS: Final = ("client_credentials", "password", "refresh_token")


def digest(value: str) -> str:
    """The whole SHA-256 of a token in hex, which records keep instead of the token."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(slots=True, eq=False, repr=False)
class RegisteredClient(Confidential):
    """A client of the issuer; its repr shows the ``client_id`` only.

    ``client_secret`` is None for a public client and for one with ``keys``, which verify its assertions.
    ``authentication`` names the one method that is accepted, or is None for any. ``assertions`` are the accepted ones
    by their ``jti``.
    """

    client_id: str
    client_secret: str | None
    scope: str
    grants: tuple[str, ...] = ALL_GRANTS
    authentication: str | None = None
    keys: KeySet | None = None
    assertions: dict[str, str] = field(default_factory=dict)
    enabled: bool = True

    def __repr__(self) -> str:
        return f"RegisteredClient({self.client_id!r})"


@dataclass(slots=True, eq=False, repr=False)
class RegisteredUser(Confidential):
    """A user who can sign in; the repr shows the name only."""

    username: str
    password: str
    enabled: bool = True

    def __repr__(self) -> str:
        return f"RegisteredUser({self.username!r})"


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a token authorizes; the tokens of one sign-in share ``sign_in``, by which they are revoked together."""

    client_id: str
    subject: str
    scope: str
    audience: tuple[str, ...]
    sign_in: object = field(default_factory=object, compare=False, repr=False)

    def narrowed(self, scope: str | None) -> "Authorization":
        """The same sign-in with another scope; with its own where ``scope`` is None."""
        return self if scope is None else replace(self, scope=scope)


@dataclass(slots=True, eq=False, repr=False)
class LedgerToken(Confidential):
    """An access or refresh token; ``expires`` and ``used`` are monotonic seconds. Its repr shows a fingerprint."""

    value: str
    authorization: Authorization
    expires: float
    revoked: bool = False
    used: float | None = None

    def __repr__(self) -> str:
        return f"LedgerToken({fingerprint(self.value)}, {self.authorization!r})"


class Ledger:
    """The issuer's clients, users and tokens: at most 200,000 tokens of each kind, safe in any thread.

    ``monotonic`` is the clock by which tokens expire, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.lock = threading.RLock()
        self.clients: dict[str, RegisteredClient] = {}
        self.users: dict[str, RegisteredUser] = {}
        self._monotonic = monotonic
        self._access: OrderedDict[str, LedgerToken] = OrderedDict()
        self._refresh: OrderedDict[str, LedgerToken] = OrderedDict()
        self._revoked_sign_ins: set[object] = set()
        self._replaced_secrets: list[str] = []

    def rotate_client_secret(self, client_id: str, client_secret: str | None = None) -> str:
        """Replace a client's secret and return the new one; the old one is rejected from now on. Raises KeyError."""
        with self.lock:
            client = self.clients[client_id]
            if client.client_secret is not None:
                self._replaced_secrets.append(client.client_secret)
            client.client_secret = client_secret or secrets.token_urlsafe(32)
            return client.client_secret

    def add_access(self, value: str, authorization: Authorization, lifetime: float) -> str:
        """Record an access token that expires in ``lifetime`` seconds, and return it."""
        return self._add(self._access, value, authorization, lifetime)

    def add_refresh(self, value: str, authorization: Authorization, lifetime: float) -> str:
        """Record a refresh token that expires in ``lifetime`` seconds, and return it."""
        return self._add(self._refresh, value, authorization, lifetime)

    def newest_for(self, authorization: Authorization) -> LedgerToken | None:
        """The newest valid access token that authorizes the same, or None."""
        with self.lock:
            tokens = (token for token in reversed(self._access.values()) if token.authorization == authorization)
            return next((token for token in tokens if self._valid(token)), None)

    def access(self, value: str) -> LedgerToken | None:
        """The valid access token with this value, or None."""
        return self._find(self._access, value)

    def refresh(self, value: str) -> LedgerToken | None:
        """The refresh token with this value, used or not, or None where it is unknown, expired or revoked."""
        return self._find(self._refresh, value)

    def revoke(self, value: str) -> bool:
        """Revoke an access token, or a refresh token with all tokens of its sign-in; False if it is unknown."""
        with self.lock:
            access, refresh = self._access.get(digest(value)), self._refresh.get(digest(value))
            if access is not None:
                access.revoked = True
            if refresh is not None:
                self.revoke_sign_in(refresh)
            return access is not None or refresh is not None

    def revoke_sign_in(self, token: LedgerToken) -> None:
        """Revoke every token of the sign-in of ``token``."""
        self._revoked_sign_ins.add(token.authorization.sign_in)

    def revoke_all(self) -> None:
        """Revoke every access token; refresh tokens stay valid."""
        with self.lock:
            for token in self._access.values():
                token.revoked = True

    def revoked_access(self) -> tuple[str, ...]:
        """The access tokens that were revoked, one by one or with their sign-in."""
        with self.lock:
            return tuple(token.value for token in self._access.values() if self._is_revoked(token))

    def secret_values(self) -> tuple[str, ...]:
        """Every secret: client secrets (replaced ones too), assertions, passwords, all tokens."""
        with self.lock:
            values = [client.client_secret for client in self.clients.values() if client.client_secret is not None]
            values += self._replaced_secrets
            values += [one for client in self.clients.values() for one in client.assertions.values()]
            values += [user.password for user in self.users.values()]
            values += [token.value for tokens in (self._access, self._refresh) for token in tokens.values()]
            return tuple(values)

    def _add(
        self, tokens: OrderedDict[str, LedgerToken], value: str, authorization: Authorization, lifetime: float
    ) -> str:
        with self.lock:
            tokens.setdefault(digest(value), LedgerToken(value, authorization, self._monotonic() + lifetime))
            while len(tokens) > _MOST_TOKENS:
                tokens.popitem(last=False)
        return value

    def _find(self, tokens: OrderedDict[str, LedgerToken], value: str) -> LedgerToken | None:
        with self.lock:
            token = tokens.get(digest(value))
            return token if token is not None and self._valid(token) else None

    def _is_revoked(self, token: LedgerToken) -> bool:
        return token.revoked or token.authorization.sign_in in self._revoked_sign_ins

    def _valid(self, token: LedgerToken) -> bool:
        client = self.clients.get(token.authorization.client_id)
        user = self.users.get(token.authorization.subject)
        if client is None or not client.enabled or (user is not None and not user.enabled):
            return False
        return not self._is_revoked(token) and self._monotonic() < token.expires

    def __repr__(self) -> str:
        return f"Ledger({len(self.clients)} clients, {len(self.users)} users, {len(self._access)} access tokens)"
