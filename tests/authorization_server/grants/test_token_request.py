"""The successful token response."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.grants.token_request import token_response
from roomkey.authorization_server.tokens.issue import TokenGrant, create_access_token

SCOPES = st.lists(st.text(st.characters(max_codepoint=0x17F), min_size=1, max_size=12), max_size=5, unique=True)


@given(SCOPES, st.booleans())
def test_the_response_is_json_for_every_valid_scope(scopes, refreshes):
    scope = tuple(filter(_may_be, scopes))
    grant = TokenGrant(client_id="reports", audience="orders-api", scope=scope)
    minted = create_access_token(grant, issuer="https://auth.example", now=1_700_000_000.5, lifetime=300, signer=None)
    refresh_token = secret_format.generate_secret(secret_format.SecretKind.REFRESH_TOKEN).value if refreshes else None
    members = json.loads(token_response(minted, refresh_token=refresh_token))
    assert members.pop("refresh_token", None) == refresh_token
    assert members == {
        "access_token": minted.value,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": " ".join(scope),
    }


def _may_be(scope: str) -> bool:
    try:
        return Access("orders-api", (scope,)).scopes == (scope,)
    except Invalid:
        return False


@pytest.mark.parametrize("scope", ['a"b', "a\\b", "a b", "é", "\x7f", "\n", ""])
def test_no_scope_has_a_character_that_json_would_escape(scope):
    with pytest.raises(Invalid):
        Access("orders-api", (scope,))
