"""One family of errors, each with a stable code, that survives a pickle as process pools need it."""

import copy
import pickle

import pytest

import roomkey
from roomkey import errors
from roomkey.errors import (
    AccessDenied,
    AccessError,
    ConfigurationError,
    DPoPNonceRequired,
    IntrospectionUnavailable,
    InvalidDPoPProof,
    InvalidRequest,
    InvalidToken,
    KeyringError,
    KeysUnavailable,
    LoginRequired,
    OriginNotAllowed,
    ReplayUnknown,
    RevocationUnknown,
    RoomkeyError,
    SecretUnavailable,
    StepUpRequired,
    StoreUnavailable,
    TokenMissing,
    TokenRejected,
    TokenUnavailable,
    ValidationUnavailable,
)

CODES = {
    RoomkeyError: "roomkey_error",
    ConfigurationError: "configuration",
    SecretUnavailable: "secret_unavailable",
    KeyringError: "keyring",
    StoreUnavailable: "store_unavailable",
    TokenUnavailable: "token_unavailable",
    LoginRequired: "login_required",
    TokenRejected: "token_rejected",
    OriginNotAllowed: "origin_not_allowed",
    AccessError: "access_error",
    InvalidRequest: "invalid_request",
    TokenMissing: "token_missing",
    InvalidToken: "invalid_token",
    InvalidDPoPProof: "invalid_dpop_proof",
    DPoPNonceRequired: "use_dpop_nonce",
    ReplayUnknown: "replay_unknown",
    StepUpRequired: "insufficient_user_authentication",
    AccessDenied: "access_denied",
    ValidationUnavailable: "validation_unavailable",
    IntrospectionUnavailable: "introspection_unavailable",
    RevocationUnknown: "revocation_unknown",
    KeysUnavailable: "keys_unavailable",
}


def family(kind: type[RoomkeyError] = RoomkeyError) -> set[type[RoomkeyError]]:
    return {kind}.union(*(family(child) for child in kind.__subclasses__() if child.__module__ == errors.__name__))


def test_codes_are_stable_and_no_two_are_the_same():
    assert {kind: kind.code for kind in family()} == CODES
    assert len(set(CODES.values())) == len(CODES)


def test_every_error_can_be_caught_by_the_name_that_roomkey_gives_out():
    for kind in CODES:
        assert issubclass(kind, roomkey.RoomkeyError)
        assert getattr(roomkey, kind.__name__) is kind


def test_one_word_catches_what_a_setting_can_mend_and_one_what_waiting_or_a_login_can():
    assert issubclass(SecretUnavailable, ConfigurationError)
    assert issubclass(KeyringError, ConfigurationError)
    assert issubclass(LoginRequired, TokenUnavailable)
    assert not issubclass(TokenUnavailable, ConfigurationError)


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("a setting is missing"),
        TokenUnavailable("no token", reason="unreachable", retry_after=2.5),
        LoginRequired("sign in again", reason="invalid_grant"),
        TokenRejected("no", status=401, challenge="Bearer invalid_token", tried=("sent", "renewed"), advice="look"),
    ],
    ids=lambda error: error.code,
)
def test_an_error_goes_from_process_to_process_whole(error):
    error.add_note("seen in worker 3")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)


def test_without_more_to_say_attributes_are_empty():
    assert (TokenUnavailable("no").reason, TokenUnavailable("no").retry_after) == ("", None)
    rejected = TokenRejected("no", status=403)
    assert (rejected.challenge, rejected.tried, rejected.advice) == (None, (), "")


def test_access_that_is_denied_names_a_missing_scope_by_its_own_code() -> None:
    assert AccessDenied("No.", reason="role_missing").code == "access_denied"
    error = AccessDenied("No.", reason="scope_missing", scope="orders:write")
    assert error.code == pickle.loads(pickle.dumps(error)).code == "insufficient_scope"
