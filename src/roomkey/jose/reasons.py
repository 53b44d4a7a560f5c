"""The reasons for which a token is rejected, each with a sentence that shows nothing of the token (pure)."""

from collections.abc import Mapping
from typing import Final

from roomkey.errors import InvalidToken

REASONS: Final[Mapping[str, str]] = {
    "too_large": "The token is larger than 16 KiB.",
    "malformed": "The token is not a signed JWT in compact form.",
    "malformed_header": "The token's header is not a valid JWT header.",
    "unsupported_header": "The token's header requires something that is not supported (crit, b64 or zip).",
    "algorithm_not_allowed": "The token is signed with an algorithm that is not allowed here.",
    "unknown_key": "The token is signed with a key that its issuer does not publish.",
    "ambiguous_key": "The token does not name which of its issuer's keys it is signed with.",
    "key_mismatch": "The key that the token names is not for the algorithm that it names.",
    "bad_signature": "The token's signature is wrong.",
    "malformed_payload": "The token's claims are not a valid JSON object.",
    "wrong_type": "The token's type is not the one that is accepted here.",
    "claim_missing": "The token lacks a claim that is required here.",
    "claim_malformed": "The token has a claim of the wrong form.",
    "wrong_issuer": "The token comes from another issuer.",
    "wrong_audience": "The token is for another audience.",
    "expired": "The token has expired.",
    "not_yet_valid": "The token is not valid yet.",
    "issued_in_future": "The token claims to have been issued in the future.",
    "too_old": "The token was issued too long ago.",
    "revoked": "The token has been revoked.",
    "inactive": "The token's issuer says that it is not active.",
    "bound_to_a_certificate": "The token is bound to a certificate, and this request was not made with it.",
    "bound_to_a_key": "The token is bound to a key, and this request does not prove that its sender has it.",
    "bound_to_no_key": "The token is bound to no key, and was sent as if it were.",
}


def invalid_token(reason: str, claim: str | None = None) -> InvalidToken:
    """Return the error for ``reason``, one of ``REASONS``; ``claim`` names the claim at fault, where there is one."""
    return InvalidToken(REASONS[reason], reason=reason, claim=claim)
