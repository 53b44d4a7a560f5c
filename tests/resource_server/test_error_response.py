"""How an API says no: status, challenge, Retry-After and a small body."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

import roomkey
from roomkey.jose.reasons import REASONS, invalid_token
from roomkey.oauth.challenge import parse_challenges

PLAIN = roomkey.ErrorResponses()


def headers(error: roomkey.AccessError, responses: roomkey.ErrorResponses = PLAIN) -> dict[str, str]:
    return dict(responses.answer(error).headers)


def test_no_credentials_get_a_challenge_without_an_error_code() -> None:  # validator 43
    error = roomkey.TokenMissing("Send one.", reason="no_credentials")
    answer = roomkey.ErrorResponses(realm="orders", resource_metadata="https://orders.example/m").answer(error)
    assert answer.status == 401
    assert dict(answer.headers)["WWW-Authenticate"] == (
        'Bearer realm="orders", resource_metadata="https://orders.example/m"'
    )
    assert headers(error)["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("error", "status", "challenge"),
    [
        (roomkey.InvalidRequest("Two.", reason="x"), 400, 'Bearer error="invalid_request", error_description="Two."'),
        (
            roomkey.AccessDenied("More.", reason="scope_missing", scope="a b"),
            403,
            'Bearer error="insufficient_scope", error_description="More.", scope="a b"',
        ),
        (
            roomkey.StepUpRequired("Again.", reason="acr_not_met", acr_values="mfa", max_age=60.5),
            401,
            (
                'Bearer error="insufficient_user_authentication", error_description="Again.", acr_values="mfa", '
                'max_age="60"'
            ),
        ),
    ],
)
def test_each_rejection_has_its_status_and_challenge(error, status, challenge) -> None:  # validator 43
    answer = PLAIN.answer(error)
    assert answer.status == status
    assert dict(answer.headers)["WWW-Authenticate"] == challenge
    assert json.loads(answer.body)["error"] == error.code


OFFERED = 'DPoP realm="orders", algs="ES256 PS256", resource_metadata="https://orders.example/m"'
SPENT = roomkey.InvalidDPoPProof("It was used before.", reason="replayed")
NONCE = roomkey.DPoPNonceRequired("Use this nonce.", reason="nonce_missing", nonce="abc")


@pytest.mark.parametrize(
    ("error", "scheme", "challenge"),
    [
        (
            roomkey.TokenMissing("Send one.", reason="no_credentials"),
            "Bearer",
            f'Bearer realm="orders", resource_metadata="https://orders.example/m", {OFFERED}',
        ),
        (
            invalid_token("expired"),
            "Bearer",
            (
                'Bearer realm="orders", error="invalid_token", error_description="The access token is not valid.", '
                f'resource_metadata="https://orders.example/m", {OFFERED}'
            ),
        ),
        (
            SPENT,
            "DPoP",
            (
                'DPoP realm="orders", error="invalid_dpop_proof", error_description="It was used before.", '
                'resource_metadata="https://orders.example/m", algs="ES256 PS256"'
            ),
        ),
        (
            NONCE,
            "DPoP",
            (
                'DPoP realm="orders", error="use_dpop_nonce", error_description="Use this nonce.", '
                'resource_metadata="https://orders.example/m", algs="ES256 PS256"'
            ),
        ),
        (
            roomkey.AccessDenied("More.", reason="scope_missing", scope="a"),
            "DPoP",
            (
                'DPoP realm="orders", error="insufficient_scope", error_description="More.", scope="a", '
                'resource_metadata="https://orders.example/m", algs="ES256 PS256"'
            ),
        ),
    ],
)
def test_challenges_name_what_proofs_are_signed_with(error, scheme, challenge) -> None:  # validator 45
    error.scheme, error.dpop_algorithms = scheme, ("ES256", "PS256")
    said = headers(error, roomkey.ErrorResponses(realm="orders", resource_metadata="https://orders.example/m"))
    assert said["WWW-Authenticate"] == challenge
    assert said.get("DPoP-Nonce") == ("abc" if error is NONCE else None)
    read = parse_challenges([challenge])
    assert [one.scheme for one in read] == (["bearer", "dpop"] if scheme == "Bearer" else ["dpop"])
    assert read[-1].parameter("algs") == "ES256 PS256"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.0, "1"), (2.1, "3"), (1e9, "3600"), (float("inf"), "3600"), (float("nan"), "3600")]
)
def test_an_outage_is_a_503_that_says_when_to_come_back(seconds, said) -> None:  # validator 43
    error = roomkey.KeysUnavailable("https://internal.example is down", reason="timeout", retry_after=seconds)
    answer = PLAIN.answer(error)
    assert answer.status == 503
    assert dict(answer.headers)["Retry-After"] == said
    assert "WWW-Authenticate" not in dict(answer.headers)
    assert b"internal.example" not in answer.body
    assert b"internal.example" in roomkey.ErrorResponses(debug=True).answer(error).body


def test_all_bad_tokens_are_answered_alike_unless_debugging() -> None:  # validator 44
    assert len({PLAIN.answer(invalid_token(reason)) for reason in REASONS}) == 1
    debug = roomkey.ErrorResponses(debug=True)
    assert len({debug.answer(invalid_token(reason)) for reason in REASONS}) == len(set(REASONS.values()))


@given(some.text(max_size=700), some.text(max_size=40))
def test_nothing_can_break_out_of_a_quoted_value(sentence, scope) -> None:  # validator 43
    error = roomkey.AccessDenied(sentence, reason="x", scope=scope)
    challenge = headers(error)["WWW-Authenticate"]
    assert challenge.isascii()
    assert challenge.isprintable()
    read = parse_challenges([challenge])
    assert [one.scheme for one in read] == ["bearer"]
    assert [name for name, _ in read[0].parameters] == ["error", "error_description", "scope"]


@pytest.mark.parametrize("value", ["", 'a"b', "a\\b", "a\r\nb", "\u00e9", "x" * 513])
def test_a_realm_that_no_header_can_carry_is_rejected(value) -> None:
    with pytest.raises(ValueError, match="realm"):
        roomkey.ErrorResponses(realm=value)
    with pytest.raises(ValueError, match="resource_metadata"):
        roomkey.ErrorResponses(resource_metadata=value)
