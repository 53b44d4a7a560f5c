"""Where each kind of issuer puts scopes, roles and tenant."""

import pytest

import roomkey
from roomkey import ClaimMapping
from roomkey.resource_server.claims import PRESETS, RFC_9068

ORDERS = frozenset({"orders-api"})


@pytest.mark.parametrize(
    ("preset", "claims", "scopes", "roles", "tenant", "client_id"),
    [
        ("entra", {"scp": "Orders.Read Orders.Write", "roles": ["Clerk"], "tid": "t1", "azp": "app"},
         {"Orders.Read", "Orders.Write"}, {"Clerk"}, "t1", "app"),
        ("entra", {"roles": ["Job"], "tid": "t1", "appid": "daemon", "scope": "not:this"}, set(), {"Job"}, "t1",
         "daemon"),
        ("keycloak", {"typ": "Bearer", "scope": "email orders:read", "realm_access": {"roles": ["user"]}, "azp": "web",
                      "resource_access": {"orders-api": {"roles": ["clerk"]}, "billing-api": {"roles": ["admin"]}}},
         {"email", "orders:read"}, {"user", "clerk"}, None, "web"),
        ("cognito", {"token_use": "access", "scope": "orders/read", "cognito:groups": ["clerks"], "client_id": "c"},
         {"orders/read"}, {"clerks"}, None, "c"),
        ("auth0", {"scope": "openid read:orders", "permissions": ["read:orders"], "org_id": "org_1", "azp": "spa"},
         {"openid", "read:orders"}, {"read:orders"}, "org_1", "spa"),
        ("hydra", {"scp": ["orders:read", "orders:write"], "client_id": "reports"},
         {"orders:read", "orders:write"}, set(), None, "reports"),
        ("spring", {"scope": ["orders:read"]}, {"orders:read"}, set(), None, None),
    ],
)  # fmt: skip
def test_presets_read_what_their_issuers_write(preset, claims, scopes, roles, tenant, client_id) -> None:
    read = PRESETS[preset].read({"sub": "s"} | claims, audiences=ORDERS)
    assert (read.scopes, read.roles, read.tenant, read.client_id) == (scopes, roles, tenant, client_id)


@pytest.mark.parametrize(
    ("preset", "claims"),
    [("cognito", {"token_use": "id"}), ("cognito", {}), ("keycloak", {"typ": "ID"}), ("keycloak", {"typ": "Refresh"}),
     ("keycloak", {"typ": ["Bearer"]})],
)  # fmt: skip
def test_another_token_of_the_same_issuer_is_none_for_apis(preset, claims) -> None:  # validator 23
    with pytest.raises(roomkey.InvalidToken) as caught:
        PRESETS[preset].read(claims, audiences=ORDERS)
    assert caught.value.reason == "wrong_type"


@pytest.mark.parametrize(
    ("mapping", "claims", "claim"),
    [(RFC_9068, {"roles": {"admin": True}}, "roles"), (RFC_9068, {"roles": ["a", 1]}, "roles"),
     (RFC_9068, {"roles": 1}, "roles"), (RFC_9068, {"tenant": ["acme"]}, "tenant"),
     (RFC_9068, {"scope": ["a"]}, "scope"), (PRESETS["keycloak"], {"typ": "Bearer", "realm_access": {"roles": 1}},
                                             "realm_access")],
)  # fmt: skip
def test_a_claim_of_the_wrong_form_is_an_invalid_token(mapping, claims, claim) -> None:  # validator 38
    with pytest.raises(roomkey.InvalidToken) as caught:
        mapping.read(claims)
    assert (caught.value.reason, caught.value.claim) == ("claim_malformed", claim)


def test_a_mapping_of_ones_own() -> None:
    mapping = ClaimMapping(
        scopes="permissions.granted", scope_lists=True, roles=("https://acme.example/roles", "groups"),
        tenant="org.id", client_id=("cid",),
    )  # fmt: skip
    claims = {"permissions.granted": ["a", "b"], "https://acme.example/roles": ["x"], "groups": "y z",
              "org": {"id": "o"}, "cid": "c"}  # fmt: skip
    read = mapping.read(claims)
    assert (read.scopes, read.roles, read.tenant, read.client_id) == ({"a", "b"}, {"x", "y z"}, "o", "c")


def test_what_is_absent_is_empty() -> None:
    read = RFC_9068.read({})
    assert (read.subject, read.client_id, read.scopes, read.roles, read.tenant) == (
        None, None, frozenset(), frozenset(), None,
    )  # fmt: skip
