"""The state of a credential in the store: read, compared with what this process knows, and saved."""

import logging
from dataclasses import replace

from roomkey.client.credential_state import CredentialState, Record, TokenIdentity
from roomkey.client.resources import Resources
from roomkey.errors import RoomkeyError, StoreUnavailable
from roomkey.oauth.source import reveal

_log = logging.getLogger("roomkey")


def save_unsaved(state: CredentialState, identity: TokenIdentity, resources: Resources) -> bool:
    """Save what ``state`` knows and the store does not; False where the store is unavailable.

    Asks no endpoint, blocks on the store, and never raises.
    """
    if state.saved:
        return True
    try:
        revealed = reveal(identity.source.secrets())
        key = identity.store_key(resources.store.fingerprint(revealed.joined))
        saved_state(for_secrets(state, revealed.mark), key, resources)
    except StoreUnavailable as error:
        resources.store_failed(error)
        return False
    except RoomkeyError as error:
        _log.warning("The token for %s was not saved: %s", identity.label, str(error))
    return True


def for_secrets(state: CredentialState, mark: str) -> CredentialState:
    """The state for the secrets as they are now: what was got with other ones is not carried on."""
    if state.secrets_mark in ("", mark):
        return replace(state, secrets_mark=mark)
    return CredentialState(secrets_mark=mark, offset=state.offset)


def stored_state(state: CredentialState, key: str, resources: Resources) -> CredentialState:
    """The state with what the store has."""
    loaded = resources.store.load(key)
    record = None if loaded.payload is None else Record.from_bytes(loaded.payload)
    return replace(state, record=record, generation=loaded.generation)


def newest(state: CredentialState, stored: CredentialState) -> CredentialState:
    """``stored``, or the record in ``state`` where that could not be saved and nothing newer was saved since."""
    own, theirs = state.record, stored.record
    if state.saved or own is None or (theirs is not None and theirs.issued_at > own.issued_at):
        return stored
    return replace(stored, record=own)


def saved_state(state: CredentialState, key: str, resources: Resources) -> CredentialState:
    """The state once what is in memory only is saved, unless the store has something newer by now."""
    if state.saved or state.record is None:
        return state
    stored = stored_state(state, key, resources)
    if newest(state, stored).record is not state.record:
        return replace(state, saved=True, generation=stored.generation)
    generation = resources.store.save(key, state.record.to_bytes(), stored.generation)
    return state if generation is None else replace(state, saved=True, generation=generation)
