"""A token that is bound to a key or a certificate is worth nothing in other hands."""

import hashlib

import pytest
from tests.resource_server.rejections import reason

from roomkey.jose import base64url

CERTIFICATE = b"the client's certificate, in DER"
THUMBPRINT = base64url.encode(hashlib.sha256(CERTIFICATE).digest()).decode()


@pytest.mark.parametrize("remembered", [0, 100])
def test_a_token_bound_to_a_certificate_needs_it_every_time(  # validator 46
    issuer, make_validator, remembered
) -> None:
    validator = make_validator(remembered=remembered)
    token = issuer.token(cnf={"x5t#S256": THUMBPRINT})
    assert validator.validate(token, certificate=CERTIFICATE).subject == "reports"
    assert reason(lambda: validator.validate(token)) == "bound_to_a_certificate"
    assert reason(lambda: validator.validate(token, certificate=b"another")) == "bound_to_a_certificate"
    assert reason(lambda: validator.authorize([f"Bearer {token}"])) == "bound_to_a_certificate"
    assert validator.authorize([f"Bearer {token}"], certificate=CERTIFICATE).subject == "reports"


def test_a_token_bound_to_a_key_is_rejected_as_bearer(issuer, validator) -> None:  # validator 45
    token = issuer.token(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})
    for _ in range(2):
        assert reason(lambda: validator.authorize([f"Bearer {token}"], certificate=CERTIFICATE)) == "bound_to_a_key"


def test_a_token_bound_to_both_needs_both(issuer, validator) -> None:
    token = issuer.token(cnf={"jkt": "abc", "x5t#S256": THUMBPRINT})
    assert reason(lambda: validator.validate(token, certificate=CERTIFICATE)) == "bound_to_a_key"


@pytest.mark.parametrize(
    "cnf", [{}, [], "x", None, True, {"jwk": {}}, {"jkt": 1}, {"jkt": ""}, {"kid": "b"}, {"jkt": None, "kid": "b"}]
)
def test_a_binding_that_is_not_understood_is_rejected(issuer, validator, cnf) -> None:
    claims = issuer.keys.claims(issuer.token()) | {"cnf": cnf}
    assert reason(lambda: validator.validate(issuer.keys.sign(claims))) == "claim_malformed"


@pytest.mark.parametrize("more", [{"kid": "b"}, {"kc-hint": "DPoP"}, {"jwk": {"kty": "EC"}}, {"osc": None}])
def test_members_that_are_not_known_are_ignored_beside_one_that_binds(issuer, validator, more) -> None:
    token = issuer.token(cnf={"x5t#S256": THUMBPRINT, **more})
    assert validator.validate(token, certificate=CERTIFICATE).subject == "reports"
    assert reason(lambda: validator.validate(token)) == "bound_to_a_certificate"


def test_a_certificate_harms_no_bearer_token(issuer, validator) -> None:
    assert validator.validate(issuer.token(), certificate=CERTIFICATE).subject == "reports"
