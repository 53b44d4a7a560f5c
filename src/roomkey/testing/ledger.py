"""What a test issuer knows: its clients, its users, and every token that it gave out."""

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from roomkey.jose.jwks.key_set import KeySet
from roomkey.secret import Confidential, fingerprint

_MOST_TOKENS: Final = 200_000
ALL_GRANTS: Final = ("client_credentials", "password", "refresh_token")


def digest(value: str) -> str:
    """The whole SHA-256 of a token in hex: what records keep instead of the token."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


class Client(Confidential):
    """A registered client: ``client_id``, ``client_secret`` (None for a public client), ``scope``, ``grants``.

    ``authentication`` names the one method that is accepted, or None for any; ``keys`` are those that its assertions
    are checked with, and ``assertions`` those that counted, by their ``jti``. Its repr shows the ``client_id`` only.
    """

    __slots__ = ("assertions", "authentication", "client_id", "client_secret", "enabled", "grants", "keys", "scope")

    def __init__(
        self,
        client_id: str,
        client_secret: str | None,
        scope: str,
        grants: tuple[str, ...],
        authentication: str | None,
        keys: KeySet | None,
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.scope = scope
        self.grants = grants
        self.authentication = authentication
        self.keys = keys
        self.assertions: dict[str, str] = {}
        self.enabled = True

    def __repr__(self) -> str:
        return f"Client({self.client_id!r})"


class User(Confidential):
    """A person who can sign in: ``username``, ``password``; its repr shows the name only."""

    __slots__ = ("enabled", "password", "username")

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password
        self.enabled = True

    def __repr__(self) -> str:
        return f"User({self.username!r})"


class Grant(Confidential):
    """What a token stands for: client, subject, scope and audience; refresh tokens of one sign-in share one grant."""

    __slots__ = ("_revoked", "_wider", "audience", "client_id", "scope", "subject")

    def __init__(self, client_id: str, subject: str, scope: str, audience: tuple[str, ...]) -> None:
        self.client_id = client_id
        self.subject = subject
        self.scope = scope
        self.audience = audience
        self._revoked = False
        self._wider: Grant | None = None

    @property
    def revoked(self) -> bool:
        """Whether this sign-in was ended."""
        return self._revoked or (self._wider is not None and self._wider.revoked)

    def revoke(self) -> None:
        """End this sign-in, and with it every narrower grant made from it."""
        self._revoked = True

    def narrowed(self, scope: str | None) -> "Grant":
        """The same sign-in with another scope; itself where ``scope`` is None or its own."""
        if scope is None or scope == self.scope:
            return self
        grant = Grant(self.client_id, self.subject, scope, self.audience)
        grant._wider = self
        return grant

    def __repr__(self) -> str:
        return f"Grant({self.client_id!r}, subject={self.subject!r}, scope={self.scope!r})"


class IssuedToken(Confidential):
    """One access or refresh token; ``expires`` and ``spent`` are monotonic seconds. Its repr shows a fingerprint."""

    __slots__ = ("expires", "grant", "revoked", "spent", "value")

    def __init__(self, value: str, grant: Grant, expires: float) -> None:
        self.value = value
        self.grant = grant
        self.expires = expires
        self.revoked = False
        self.spent: float | None = None

    def __repr__(self) -> str:
        return f"IssuedToken({fingerprint(self.value)}, {self.grant!r})"


class Ledger:
    """The books of a test issuer: in memory, at most 200,000 tokens of each kind, safe in any thread.

    ``monotonic`` is the clock by which tokens end, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.lock = threading.RLock()
        self.clients: dict[str, Client] = {}
        self.users: dict[str, User] = {}
        self._monotonic = monotonic
        self._access: OrderedDict[str, IssuedToken] = OrderedDict()
        self._refresh: OrderedDict[str, IssuedToken] = OrderedDict()
        self._retired: list[str] = []

    def add_client(
        self,
        client_id: str,
        client_secret: str | None,
        *,
        scope: str,
        grants: Iterable[str] = ALL_GRANTS,
        authentication: str | None = None,
        keys: KeySet | None = None,
    ) -> Client:
        """Register a client, in place of one with the same id."""
        client = Client(client_id, client_secret, scope, tuple(grants), authentication, keys)
        with self.lock:
            self.clients[client_id] = client
        return client

    def rotate_client_secret(self, client_id: str, client_secret: str | None = None) -> str:
        """Replace a client's secret and return the new one; the old one is refused from now on. Raises KeyError."""
        with self.lock:
            client = self.clients[client_id]
            if client.client_secret is not None:
                self._retired.append(client.client_secret)
            client.client_secret = client_secret or secrets.token_urlsafe(32)
            return client.client_secret

    def add_user(self, username: str, password: str) -> User:
        """Register a user, in place of one with the same name."""
        with self.lock:
            self.users[username] = User(username, password)
            return self.users[username]

    def keep_access(self, value: str, grant: Grant, lifetime: float) -> IssuedToken:
        """Enter an access token that ends in ``lifetime`` seconds; the same value again keeps its first entry."""
        with self.lock:
            token = self._access.setdefault(digest(value), IssuedToken(value, grant, self._monotonic() + lifetime))
            while len(self._access) > _MOST_TOKENS:
                self._access.popitem(last=False)
            return token

    def keep_refresh(self, value: str, grant: Grant, lifetime: float) -> IssuedToken:
        """Enter a refresh token that ends in ``lifetime`` seconds."""
        with self.lock:
            token = self._refresh[digest(value)] = IssuedToken(value, grant, self._monotonic() + lifetime)
            while len(self._refresh) > _MOST_TOKENS:
                self._refresh.popitem(last=False)
            return token

    def held_for(self, grant: Grant) -> IssuedToken | None:
        """The newest live access token that stands for the same as ``grant``, or None."""
        same = (grant.client_id, grant.subject, grant.scope, grant.audience)
        with self.lock:
            for token in reversed(self._access.values()):
                held = token.grant
                if (held.client_id, held.subject, held.scope, held.audience) == same and self._live(token):
                    return token
        return None

    def access(self, value: str) -> IssuedToken | None:
        """The live access token with this value, or None."""
        with self.lock:
            token = self._access.get(digest(value))
            return token if token is not None and self._live(token) else None

    def refresh(self, value: str) -> IssuedToken | None:
        """The refresh token with this value, spent or not, or None where it is unknown, has ended or was revoked."""
        with self.lock:
            token = self._refresh.get(digest(value))
            return token if token is not None and self._live(token) else None

    def revoke(self, value: str) -> bool:
        """Revoke an access token, or a refresh token with all that came of its sign-in; False if it is unknown."""
        with self.lock:
            access, refresh = self._access.get(digest(value)), self._refresh.get(digest(value))
            if access is not None:
                access.revoked = True
            if refresh is not None:
                refresh.grant.revoke()
            return access is not None or refresh is not None

    def revoke_all(self) -> None:
        """Revoke every access token; refresh tokens stay good."""
        with self.lock:
            for token in self._access.values():
                token.revoked = True

    def revoked_access(self) -> tuple[str, ...]:
        """The access tokens that were revoked, one by one or with their sign-in."""
        with self.lock:
            return tuple(token.value for token in self._access.values() if token.revoked or token.grant.revoked)

    def secret_values(self) -> tuple[str, ...]:
        """Every secret in the books: client secrets (old ones too), assertions, passwords, all tokens."""
        with self.lock:
            values = [client.client_secret for client in self.clients.values() if client.client_secret is not None]
            values += self._retired
            values += [one for client in self.clients.values() for one in client.assertions.values()]
            values += [user.password for user in self.users.values()]
            values += [token.value for books in (self._access, self._refresh) for token in books.values()]
            return tuple(values)

    def _live(self, token: IssuedToken) -> bool:
        client, user = self.clients.get(token.grant.client_id), self.users.get(token.grant.subject)
        if client is None or not client.enabled or (user is not None and not user.enabled):
            return False
        return not token.revoked and not token.grant.revoked and self._monotonic() < token.expires

    def __repr__(self) -> str:
        return f"Ledger({len(self.clients)} clients, {len(self.users)} users, {len(self._access)} access tokens)"
