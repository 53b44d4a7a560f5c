"""Wishes for one request: without a token, with a new one, with another scope, with its body kept."""

import pytest

from roomkey.errors import OriginNotAllowed
from roomkey.integrations import CallOptions, CallReport


def wish(**options) -> dict[str, CallOptions]:
    return {"roomkey": CallOptions(**options)}


def test_attach_false_sends_the_request_as_it_is(sender, orders, api, elsewhere, issuer):  # client 48
    auth = sender.BearerAuth(orders, origins=[api.url])
    response = sender.send(auth, "GET", f"{api.url}/public", extensions=wish(attach=False))
    assert response.status_code == 200
    assert response.extensions["roomkey"] == CallReport("not_attached", "opted_out", 1, None)
    sender.send(auth, "GET", elsewhere.url, extensions=wish(attach=False))
    assert [api.requests[0].had_token, elsewhere.requests[0].had_token] == [False, False]
    assert issuer.token_requests == []


def test_attach_false_leaves_an_authorization_header_of_ones_own(sender, orders, api, issuer):  # client 48
    own = issuer.issue()
    response = sender.send(
        sender.BearerAuth(orders),
        "GET",
        api.url,
        headers={"Authorization": f"Bearer {own}"},
        extensions=wish(attach=False),
    )
    assert response.status_code == 200
    assert api.requests[0].carried(own)
    assert issuer.token_requests == []


def test_a_bare_request_pins_no_origin(sender, orders, api, elsewhere):  # client 48, 68
    auth = sender.BearerAuth(orders)
    sender.send(auth, "GET", elsewhere.url, extensions=wish(attach=False))
    assert sender.send(auth, "GET", api.url).status_code == 200


def test_a_401_to_a_bare_request_is_returned(sender, orders, api, issuer):  # client 44, 48
    response = sender.send(sender.BearerAuth(orders), "GET", api.url, extensions=wish(attach=False))
    assert response.status_code == 401
    assert len(api.requests) == 1
    assert issuer.token_requests == []


def test_refresh_gets_a_new_token_first(sender, orders, api, issuer):  # client 48
    held = orders.token().value
    response = sender.send(sender.BearerAuth(orders), "GET", api.url, extensions=wish(refresh=True))
    assert response.status_code == 200
    assert len(issuer.token_requests) == 2
    assert not api.requests[0].carried(held)
    assert api.requests[0].carried(orders.token().value)


def test_another_scope_gets_a_token_of_its_own(sender, orders, api, issuer):  # client 48
    auth = sender.BearerAuth(orders)
    calls = [
        ("GET", f"{api.url}/scoped/orders:write", {"extensions": wish(scope="orders:write")}),
        ("GET", f"{api.url}/scoped/orders:write", {"extensions": wish(scope="orders:write")}),
        ("GET", f"{api.url}/scoped/orders:read", {}),
    ]
    assert [answer.status_code for answer in sender.send_all(auth, calls)] == [200, 200, 200]
    assert len(issuer.token_requests) == 2


def test_another_scopes_token_is_the_one_that_is_renewed(sender, orders, api, issuer):  # client 38, 48
    auth = sender.BearerAuth(orders)
    held = orders.token().value
    issuer.revoke(orders.with_scope("orders:write").token().value)
    response = sender.send(auth, "GET", f"{api.url}/scoped/orders:write", extensions=wish(scope="orders:write"))
    assert response.status_code == 200
    assert orders.token().value == held
    assert len(issuer.token_requests) == 3


def test_a_buffered_body_can_be_sent_again(sender, orders, api, issuer):  # client 41, 48
    orders.token()
    issuer.revoke_all()
    response = sender.send(
        sender.BearerAuth(orders),
        "POST",
        f"{api.url}/echo",
        content=sender.generated(b"one", b"two"),
        extensions=wish(buffer_body=True),
    )
    assert (response.status_code, response.json()["length"]) == (200, 6)
    assert [(request.status, request.body_length) for request in api.requests] == [(401, 6), (200, 6)]


@pytest.mark.parametrize("wrong", [{"attach": False}, True, "attach"])
def test_wishes_of_the_wrong_type_are_named_and_nothing_is_sent(sender, orders, api, wrong):  # client 48
    with pytest.raises(TypeError, match="CallOptions"):
        sender.send(sender.BearerAuth(orders), "GET", api.url, extensions={"roomkey": wrong})
    assert api.requests == []


def test_the_origin_counts_also_for_a_request_with_wishes(sender, orders, api, elsewhere):  # client 68
    auth = sender.BearerAuth(orders, origins=[api.url])
    with pytest.raises(OriginNotAllowed):
        sender.send(auth, "GET", elsewhere.url, extensions=wish(refresh=True, scope="orders:write"))
    assert elsewhere.requests == []
