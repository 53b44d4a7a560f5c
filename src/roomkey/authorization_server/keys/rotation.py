"""Key rotation: by command, or automatically when it is due; validators can always check what a key signs."""

import logging
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import delete, func, select, update

from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, NotAllowed, NotFound
from roomkey.authorization_server.keys.adoption import lacking
from roomkey.authorization_server.keys.key_record import CLOCK_STEP, KeyRecord, KeyState, lock_algorithms, read_keys
from roomkey.authorization_server.keys.new_key import add_key
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import apis
from roomkey.authorization_server.schema.signing_keys import held_keys, signing_keys
from roomkey.authorization_server.schema.tokens import access_tokens, app_tokens
from roomkey.authorization_server.unit_of_work import UnitOfWork

_log = logging.getLogger("roomkey.authorization_server")
_SAME_ROTATION: Final = 10
"""Seconds within which a second rotation counts as the same one, requested twice."""


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """The result of a rotation.

    Attributes:
        kid: the new key, or the one that now signs.
        algorithm: the algorithm that it signs with.
        state: NEXT where it does not sign yet, SIGNING where it signs now.
        signs_from: when it may sign, in seconds since 1970.
        replaced: the key that signed before and now retires, or None.
        lacking: the audiences of the APIs that report the keys they hold, but not this one.
        warning: a sentence where tokens may be rejected for a while; else empty.
    """

    kid: str
    algorithm: str
    state: KeyState
    signs_from: int
    replaced: str | None = None
    lacking: tuple[str, ...] = ()
    warning: str = ""


@dataclass(frozen=True, slots=True)
class DueChanges:
    """The changes that were due and are done.

    Attributes:
        created, removed: the names of keys.
        activated: a rotation for each algorithm that has a new signing key.
    """

    created: tuple[str, ...] = ()
    activated: tuple[KeyRotation, ...] = ()
    removed: tuple[str, ...] = ()


def rotate(uow: UnitOfWork, *, algorithm: str = "ES256", now: bool = False) -> KeyRotation:
    """Create the next key for ``algorithm``, or activate it where it has been published for long enough.

    A next key that is too new stays; ``now`` activates it at once, and the warning names the APIs that lack it. Of
    several nodes that rotate within ten seconds, all get the one new key. Raises NotFound where the service has no key
    of ``algorithm``, and NotAllowed.
    """
    _demand(uow)
    lock_algorithms(uow, [algorithm])
    keys = [key for key in read_keys(uow) if key.algorithm == algorithm]
    signing = _in(keys, KeyState.SIGNING)
    if signing is None:
        raise NotFound(f"No key of this service signs with {algorithm}.")
    following = _in(keys, KeyState.NEXT)
    if following is None:
        just_now = next((key for key in keys if abs(uow.now - (key.retired_at or 0)) < _SAME_ROTATION), None)
        if just_now is not None:
            warning = f"The key {signing.kid} was activated just now, by another administrator or node."
            return _result(uow, signing, KeyState.SIGNING, signing.signing_since, just_now.kid, warning)
        following = _create_next(uow, algorithm)
        if not now:
            return _result(uow, following, KeyState.NEXT, following.signs_from(uow.settings))
    elif not now and following.signs_from(uow.settings) > uow.now:
        return _result(uow, following, KeyState.NEXT, following.signs_from(uow.settings))
    return _activate(uow, following)


def apply_due_changes(uow: UnitOfWork) -> DueChanges:
    """Activate next keys, remove those whose last token has expired, and create new ones, where each is due.

    Call it every minute or so, on any number of nodes; where nothing is due it only reads a few rows.
    """
    _demand(uow)
    due = {key.algorithm for key in _due(uow, read_keys(uow))}
    if not due:
        return DueChanges()
    lock_algorithms(uow, due)
    created, activated, removed = [], [], []
    for key in _due(uow, read_keys(uow)):
        if key.algorithm not in due:
            continue
        if key.state is KeyState.SIGNING:
            created.append(_create_next(uow, key.algorithm).kid)
        elif key.state is KeyState.NEXT:
            activated.append(_activate(uow, key))
        elif _may_be_removed(uow, key):
            removed.append(key.kid)
            _remove(uow, key)
    return DueChanges(tuple(created), tuple(activated), tuple(removed))


def withdraw(uow: UnitOfWork, kid: str) -> None:
    """Remove a retiring key from the JWK set at once, such as a leaked one; the tokens that it signed become invalid.

    Validators follow within one JWKS lifetime. Raises NotFound, and Conflict for a key that does not retire.
    """
    _demand(uow)
    found = next((key for key in read_keys(uow) if key.kid == kid), None)
    if found is None:
        raise NotFound(f"There is no key {kid}.")
    lock_algorithms(uow, [found.algorithm])
    found = next((key for key in read_keys(uow) if key.kid == kid), found)
    if found.state is not KeyState.RETIRING:
        raise Conflict(f"The key {kid} is {found.state}; rotate first, so that another key signs, and it retires.")
    _remove(uow, found)


def _demand(uow: UnitOfWork) -> None:
    uow.demand(Permission.CHANGE_KEYS)
    if uow.actor.tenant is not None:
        raise NotAllowed("The signing keys are those of all tenants; ask an administrator of the whole service.")


def _due(uow: UnitOfWork, keys: tuple[KeyRecord, ...]) -> list[KeyRecord]:
    """Return the keys whose next change is due; a signing one where its successor is to be created."""
    lifetime = uow.settings.signing_key_lifetime
    waiting = {key.algorithm for key in keys if key.state is KeyState.NEXT}
    due = []
    for key in keys:
        if key.state is KeyState.NEXT:
            at = key.signs_from(uow.settings)
        elif key.state is KeyState.RETIRING:
            at = key.remove_at or 0
        elif key.algorithm in waiting:
            continue
        else:
            at = key.signing_since + lifetime
        if at <= uow.now:
            due.append(key)
    return due


def _in(keys: list[KeyRecord], state: KeyState) -> KeyRecord | None:
    return next((key for key in keys if key.state is state), None)


def _create_next(uow: UnitOfWork, algorithm: str) -> KeyRecord:
    kid = add_key(uow, algorithm, KeyState.NEXT)
    return next(key for key in read_keys(uow) if key.kid == kid)


def _result(
    uow: UnitOfWork, key: KeyRecord, state: KeyState, signs_from: int, replaced: str | None = None, warning: str = ""
) -> KeyRotation:
    return KeyRotation(key.kid, key.algorithm, state, signs_from, replaced, lacking(uow, key.kid), warning)


def _activate(uow: UnitOfWork, key: KeyRecord) -> KeyRotation:
    old = _in([one for one in read_keys(uow) if one.algorithm == key.algorithm], KeyState.SIGNING)
    if old is not None:  # first: there is at most one that signs
        retired = replace(old, retired_at=uow.now)
        _move(uow, old, KeyState.RETIRING, retired_at=uow.now, remove_at=_end(uow, retired))
    _move(uow, key, KeyState.SIGNING, activated_at=uow.now)
    without, early = lacking(uow, key.kid), key.signs_from(uow.settings) > uow.now
    warning = _warning(uow, key, without, early=early)
    replaced = None if old is None else old.kid
    details = {"algorithm": key.algorithm, "replaced": replaced, "lacking": without, "early": early}
    record_event(uow, "key.activated", Subject("key", key.kid), **details)
    if warning:
        _log.warning("%s", warning)
    return _result(uow, key, KeyState.SIGNING, uow.now, replaced, warning)


def _warning(uow: UnitOfWork, key: KeyRecord, without: tuple[str, ...], *, early: bool) -> str:
    if not early and not without:
        return ""
    who = f"These APIs report the keys that they hold, and lack it: {', '.join(without)}." if without else ""
    if early:
        seconds = uow.settings.jwks_max_age
        who = who or "No API reports that it lacks the key, but not every API reports the keys that it holds."
        return (
            f"The key {key.kid} signs at once, though validators may use an older JWK set for {seconds} seconds; "
            f"until then they may reject new tokens. {who}"
        )
    return f"The key {key.kid} signs now. {who} They reject its tokens until they read the JWK set again."


def _remove(uow: UnitOfWork, key: KeyRecord) -> None:
    _move(uow, key, KeyState.REMOVED, private_key=None, removed_at=uow.now)
    uow.connection.execute(delete(held_keys).where(held_keys.c.kid == key.kid))
    record_event(uow, "key.removed", Subject("key", key.kid), algorithm=key.algorithm)


def _move(uow: UnitOfWork, key: KeyRecord, state: KeyState, **times: int | None) -> None:
    uow.connection.execute(update(signing_keys).where(signing_keys.c.kid == key.kid).values(state=state, **times))
    uow.bump_config_version()


def _may_be_removed(uow: UnitOfWork, key: KeyRecord) -> bool:
    """Return whether every token that ``key`` signed has expired; else postpone its removal until the last one has.

    A token may not have been recorded yet when the key was retired.
    """
    end = _latest_token(uow, key)
    if end is None or end + _margin(uow) <= uow.now:
        return True
    uow.connection.execute(
        update(signing_keys).where(signing_keys.c.kid == key.kid).values(remove_at=end + _margin(uow))
    )
    return False


def _end(uow: UnitOfWork, key: KeyRecord) -> int:
    """Return when the last token that ``key`` signed has expired on every clock, as far as can be known now."""
    longest = uow.connection.scalar(select(func.max(apis.c.token_lifetime))) or uow.settings.access_token_lifetime
    return max(_latest_token(uow, key) or 0, uow.now + longest) + _margin(uow)


def _margin(uow: UnitOfWork) -> int:
    return uow.settings.clock_leeway + CLOCK_STEP


def _latest_token(uow: UnitOfWork, key: KeyRecord) -> int | None:
    """Return when the last token that was issued while ``key`` signed expires; revoked and opaque ones need no key."""
    since = key.signing_since - CLOCK_STEP
    until = (key.retired_at or uow.now) + CLOCK_STEP
    opaque = select(app_tokens.c.digest).where(
        app_tokens.c.digest == access_tokens.c.digest,
        app_tokens.c.token_format == "opaque",  # noqa: S105 - a format
    )
    latest: int | None = uow.connection.scalar(
        select(access_tokens.c.expires_at)
        .where(
            access_tokens.c.expires_at > uow.now - _margin(uow),
            access_tokens.c.issued_at.between(since, until),
            access_tokens.c.revoked_at.is_(None),
            ~opaque.exists(),
        )
        .order_by(access_tokens.c.expires_at.desc())
        .limit(1)
    )
    return latest
