"""What somebody was granted: whose token it is, for which API, with which rights (a value)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The content of a token, whatever its format.

    Attributes:
        client_id: the app that acts.
        audience: the one API that it is for.
        scope: what it allows, in the order of asking.
        roles: what it is allowed as.
        tenant: whose data, or None.
        user_id, username: the person on whose behalf, or None.
        family_id: the refresh family that it belongs to, or None.
        authenticated_at: when the person signed in, in seconds since 1970, or None.
        acr: how they did, or None.
    """

    client_id: str
    audience: str
    scope: tuple[str, ...]
    roles: tuple[str, ...] = ()
    tenant: str | None = None
    user_id: str | None = None
    username: str | None = None
    family_id: str | None = None
    authenticated_at: int | None = None
    acr: str | None = None

    @property
    def subject(self) -> str:
        """``sub``: the person where there is one, else the app itself (RFC 9068 section 2.2)."""
        return self.user_id or self.client_id
