"""How a credential is doing, without its token."""

from dataclasses import dataclass

from roomkey.client.lifetime import TokenState


@dataclass(frozen=True, slots=True)
class CredentialStatus:
    """A credential at one moment; nothing in it is secret.

    Attributes:
        name: what the application calls it, or "".
        context: the tenant or technical client it is for, or "".
        source: kind, client and endpoint, in words.
        state: what may be done with the token in memory.
        token: its fingerprint, or "".
        age: seconds since it was received, or None without a token.
        expires_in: seconds until its end, or None without a token.
        lifetime_from: where its lifetime was read: ``expires_in``, ``expires_at``, ``jwt`` or ``default``.
        generation: of its record in the store, 0 where it is not stored.
        saved: False while a newer token than the stored one is kept in memory only ("unsaved").
        reason: why the token in memory was got, and how.
        last_error: why the last attempt failed, or "".
        next_attempt_in: seconds until the next attempt after a failure, or None.
    """

    name: str
    context: str
    source: str
    state: TokenState
    token: str
    age: float | None
    expires_in: float | None
    lifetime_from: str
    generation: int
    saved: bool
    reason: str
    last_error: str
    next_attempt_in: float | None
