"""The token stays with its API: absolute URLs, redirects, and answers of hosts that never had it."""

import threading

import pytest

from roomkey.errors import ConfigurationError, OriginNotAllowed, RoomkeyError
from roomkey.integrations.origins import AllowedOrigins

FOLLOW = {"follow_redirects": True}


def test_a_request_to_another_origin_is_never_sent(sender, orders, api, elsewhere):  # client 68
    auth = sender.BearerAuth(orders)
    sender.send(auth, "GET", f"{api.url}/orders")
    with pytest.raises(OriginNotAllowed, match=r"origins=") as caught:
        sender.send(auth, "GET", f"{elsewhere.url}/collect/private-path")
    assert elsewhere.url in str(caught.value)
    assert api.url in str(caught.value)
    assert "private-path" not in str(caught.value)
    assert elsewhere.requests == []


def test_named_origins_are_served_and_no_others(sender, orders, api, elsewhere):  # client 68
    auth = sender.BearerAuth(orders, origins=[api.url + "/"])
    with pytest.raises(OriginNotAllowed):
        sender.send(auth, "GET", elsewhere.url)
    assert sender.send(auth, "GET", api.url).status_code == 200
    both = sender.BearerAuth(orders, origins=[api.url, elsewhere.url])
    assert sender.send(both, "GET", api.url).status_code == sender.send(both, "GET", elsewhere.url).status_code == 200
    assert [request.had_token for request in elsewhere.requests] == [True]


def test_a_rejected_request_pins_nothing(sync_sender, orders, api):  # client 68
    auth = sync_sender.BearerAuth(orders)
    for wrong in ("http://orders.example/", "ftp://127.0.0.1/"):
        with pytest.raises(OriginNotAllowed):
            sync_sender.send(auth, "GET", wrong)
    assert sync_sender.send(auth, "GET", api.url).status_code == 200


def test_plain_http_to_another_machine_never_carries_a_token(sender, orders):  # client 68
    with pytest.raises(OriginNotAllowed, match="unencrypted"):
        sender.send(sender.BearerAuth(orders), "GET", "http://orders.example/")
    with pytest.raises(ConfigurationError, match="https"):
        sender.BearerAuth(orders, origins=["http://orders.example"])


def test_a_redirect_elsewhere_goes_on_without_the_token(sender, orders, api, elsewhere):  # client 68
    response = sender.send(
        sender.BearerAuth(orders), "GET", f"{api.url}/redirect", params={"to": f"{elsewhere.url}/x"}, client=FOLLOW
    )
    assert response.status_code == 200
    assert [request.had_token for request in api.requests] == [True]
    assert [request.had_token for request in elsewhere.requests] == [False]


def test_a_redirect_to_another_port_of_the_same_host_is_another_origin(sender, orders, api, elsewhere):  # client 68
    """Both servers are 127.0.0.1; only their ports differ. The same holds where that port was named as an origin."""
    auth = sender.BearerAuth(orders, origins=[api.url, elsewhere.url])
    sender.send(auth, "POST", f"{api.url}/redirect", params={"to": elsewhere.url}, content=b"x", client=FOLLOW)
    assert [request.had_token for request in elsewhere.requests] == [False]


def test_a_401_of_a_foreign_host_after_a_redirect_never_drops_the_token(
    sender, orders, api, elsewhere, issuer
):  # client 44
    elsewhere.reject_all = True
    held = orders.token().value
    response = sender.send(
        sender.BearerAuth(orders), "GET", f"{api.url}/redirect", params={"to": elsewhere.url}, client=FOLLOW
    )
    assert response.status_code == 401
    assert response.extensions["roomkey"].reason == "not_our_token"
    assert orders.held_header() == f"Bearer {held}"
    assert len(issuer.token_requests) == len(elsewhere.requests) == 1


def test_a_401_after_a_detour_over_a_foreign_host_never_drops_the_token(
    sender, orders, api, elsewhere, issuer
):  # client 44
    """Back at the API the request is bare: the token was taken off on the way."""
    back = f"{elsewhere.url}/redirect?to={api.url}/orders"
    response = sender.send(sender.BearerAuth(orders), "GET", f"{api.url}/redirect", params={"to": back}, client=FOLLOW)
    assert response.status_code == 401
    assert [request.had_token for request in api.requests] == [True, False]
    assert len(issuer.token_requests) == 1


def test_a_proxys_407_never_drops_the_token(sender, orders, api, issuer):  # client 44
    api.answer_with(407, {"proxy-authenticate": "Basic", "www-authenticate": 'Bearer error="invalid_token"'})
    held = orders.token().value
    assert sender.send(sender.BearerAuth(orders), "GET", api.url).status_code == 407
    assert orders.token().value == held
    assert len(api.requests) == 1


def test_a_header_changed_by_a_hook_is_not_our_token(sender, orders, api, issuer):  # client 44
    def other_token(request) -> None:
        request.headers["Authorization"] = "Bearer somebody-elses"

    hooks = {"event_hooks": {"request": [sender.hook(other_token)]}}
    held = orders.token().value
    assert sender.send(sender.BearerAuth(orders), "GET", api.url, client=hooks).status_code == 401
    assert orders.token().value == held
    assert len(api.requests) == 1


def test_within_its_origin_the_token_follows_and_the_rejected_request_is_sent_again(sender, orders, api, issuer):
    """Not the request before the redirect: a POST that was answered 303 has had its effect."""
    auth = sender.BearerAuth(orders)
    orders.token()
    issuer.revoke_all()
    response = sender.send(
        auth, "POST", f"{api.url}/redirect", params={"status": 303, "to": "/done"}, content=b"pay", client=FOLLOW
    )
    assert response.status_code == 200
    assert [(request.method, request.path, request.status) for request in api.requests] == [
        ("POST", "/redirect", 303),
        ("GET", "/done", 401),
        ("GET", "/done", 200),
    ]
    assert [earlier.status_code for earlier in response.history] == [303, 401]


def test_an_upgrade_to_https_on_this_machine_neither_drops_nor_repeats(sync_sender, orders, issuer):  # client 44
    """The libraries keep the header from http port 80 to https port 443 of one host: only loopback can get there."""
    library = sync_sender.library

    def answer(request):
        if request.url.scheme == "http":
            return library.Response(301, headers={"location": "https://127.0.0.1/"})
        return library.Response(401)

    held = orders.token().value
    transport = {"transport": library.MockTransport(answer), "follow_redirects": True}
    response = sync_sender.send(sync_sender.BearerAuth(orders), "GET", "http://127.0.0.1/", client=transport)
    assert response.status_code == 401
    assert orders.token().value == held
    assert len(issuer.token_requests) == 1


def test_a_relative_address_without_base_url_is_explained(sync_sender, orders):
    with pytest.raises(OriginNotAllowed, match="base_url"):
        sync_sender.send(sync_sender.BearerAuth(orders), "GET", "/orders")


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        ("https://orders.example", "https://ORDERS.example:443/x?y#z"),
        ("HTTPS://Orders.Example:443/", "https://orders.example"),
        ("https://bücher.example", "https://xn--bcher-kva.example/"),
        ("https://xn--bcher-kva.example", "https://BÜCHER.example/"),
        ("https://[::1]:8443", "https://[::1]:8443/"),
        ("https://orders.example/v1/", "https://orders.example/v2/"),
        ("https://orders.example", "https://user:password@orders.example/"),
        ("https://orders.example", "wss://orders.example/feed"),
        ("http://127.0.0.1:80", "http://127.0.0.1/"),
        ("http://localhost:8080", "http://LOCALHOST:8080/"),
    ],
)
def test_one_origin_written_in_two_ways_is_one(sync_sender, named, asked):  # client 68
    url = sync_sender.library.URL
    origins = AllowedOrigins([named], url)
    assert url(asked) in origins
    origins.admit(url(asked))


@pytest.mark.parametrize(
    "asked",
    [
        "https://orders.example.evil.example/",
        "https://orders.example:8443/",
        "https://sub.orders.example/",
        "https://orders.example./",
        "https://orders.example@evil.example/",
        "https://evil.example/https://orders.example/",
        "https://evil.example#@orders.example",
        "http://orders.example/",
        "ws://orders.example/",
        "ftp://orders.example/",
        "https:///orders",
        "/orders",
    ],
)
def test_what_only_looks_like_the_origin_is_not_it(sync_sender, asked):  # client 68
    url = sync_sender.library.URL
    origins = AllowedOrigins(["https://orders.example"], url)
    with pytest.raises(OriginNotAllowed):
        origins.admit(url(asked))


@pytest.mark.parametrize(
    "wrong",
    [
        "orders.example",
        "https://orders.example?x=1",
        "https://orders.example/#x",
        "https://user:password@orders.example",
        "http://orders.example",
        "ftp://orders.example",
        "https://",
        "https://[::1",
        "https://a b",
        "*",
        "",
    ],
)
def test_what_is_no_origin_is_rejected_when_the_auth_is_made(sync_sender, orders, wrong):  # client 68
    with pytest.raises(ConfigurationError) as caught:
        sync_sender.BearerAuth(orders, origins=["https://orders.example", wrong])
    assert "password" not in str(caught.value)


def test_no_origins_at_all_is_a_mistake_and_one_text_is_one_origin(sync_sender, orders, api):
    with pytest.raises(ConfigurationError, match="allows no request"):
        sync_sender.BearerAuth(orders, origins=[])
    with pytest.raises(TypeError, match="strings"):
        sync_sender.BearerAuth(orders, origins=[443])
    assert sync_sender.send(sync_sender.BearerAuth(orders, origins=api.url), "GET", api.url).status_code == 200


def test_of_two_first_requests_at_once_only_one_origin_gets_the_token(sync_sender):  # client 68
    url = sync_sender.library.URL
    for _ in range(200):
        origins = AllowedOrigins(None, url)
        start = threading.Barrier(2)
        admitted: list[str] = []

        def first(address: str, origins=origins, start=start, admitted=admitted) -> None:
            start.wait()
            try:
                origins.admit(url(address))
            except RoomkeyError:
                return
            admitted.append(address)

        threads = [threading.Thread(target=first, args=(f"https://{name}.example",)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(admitted) == 1
        other = {"https://a.example": "https://b.example", "https://b.example": "https://a.example"}[admitted[0]]
        assert url(admitted[0]) in origins
        assert url(other) not in origins
