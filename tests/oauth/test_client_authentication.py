"""How the client's proof and the form travel."""

import base64
from urllib.parse import parse_qsl, unquote_plus

import pytest

import roomkey
from roomkey.http.messages import Request
from roomkey.oauth.client_authentication import authenticated_request
from roomkey.oauth.source import Moment, Revealed, reveal
from roomkey.testing import Issuer

ODD = ("client:1 %+ä", "s:e%c+r e€t")


def authenticated(method: str, client_id: str, **secrets: str) -> Request:
    return authenticated_request(
        "https://a.example",
        (),
        authentication=method,  # type: ignore[arg-type]
        client_id=client_id,
        revealed=Revealed(secrets),
        server="https://a.example",
        moment=Moment(0.0, ""),
    )


def basic(method: str) -> str:
    request = authenticated(method, ODD[0], client_secret=ODD[1])
    value = dict(request.headers)["Authorization"].removeprefix("Basic ")
    return base64.b64decode(value).decode()


def test_basic_is_form_encoded_first() -> None:  # client 53
    name, _, secret = basic("client_secret_basic").partition(":")
    assert (unquote_plus(name), unquote_plus(secret)) == ODD


def test_basic_can_be_sent_raw_to_servers_that_want_it() -> None:  # client 53
    assert basic("client_secret_basic_raw") == ":".join(ODD)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_odd_names_and_secrets_are_understood_by_a_server(issuer: Issuer, method: str) -> None:  # client 53
    issuer.add_client(*ODD)
    source = roomkey.ClientCredentials(
        token_endpoint=issuer.token_endpoint, client_id=ODD[0], client_secret=ODD[1], authentication=method
    )  # type: ignore[arg-type]
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        assert manager.credential(source).header()
    assert issuer.token_requests[0].authentication == method


def test_repeated_parameters_are_kept(issuer: Issuer) -> None:  # client 54
    source = roomkey.ClientCredentials(
        token_endpoint=issuer.token_endpoint,
        client_id=issuer.client.client_id,
        client_secret=issuer.client.client_secret,
        resource=["https://a.example", "https://b.example"],
        extra=[("audience", "one"), ("audience", "two")],
    )
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        manager.credential(source).header()
    sent = issuer.token_requests[0].parameters
    assert [value for name, value in sent if name == "resource"] == ["https://a.example", "https://b.example"]
    assert [value for name, value in sent if name == "audience"] == ["one", "two"]


def test_a_public_client_names_itself_in_the_form() -> None:
    request = authenticated("none", "app")
    assert parse_qsl(request.body.decode()) == [("client_id", "app")]


@pytest.mark.parametrize("scope", [["orders:read", "orders:write"], ("orders:read", "orders:write")])
def test_a_list_of_scopes_is_taken_for_its_words(scope: object) -> None:
    source = roomkey.ClientCredentials(
        token_endpoint="https://a.example/token",
        client_id="reports",
        client_secret="s",
        scope=scope,  # type: ignore[arg-type]
    )
    assert source.scope == "orders:read orders:write"


@pytest.mark.parametrize("scope", [7, [], ["orders:read", 7], {}])
def test_a_scope_that_is_no_words_is_an_error_that_says_so(scope: object) -> None:
    with pytest.raises(roomkey.ConfigurationError, match="scope= must be one string"):
        roomkey.ClientCredentials(
            token_endpoint="https://a.example/token",
            client_id="reports",
            client_secret="s",
            scope=scope,  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(
    ("offered", "header"),
    [((), True), (("client_secret_basic", "client_secret_post"), True), (("client_secret_post",), False)],
)
def test_metadata_decides_where_the_secret_goes_unless_a_setting_does(offered: tuple[str, ...], header: bool) -> None:
    def sent(**settings: str) -> Request:
        source = roomkey.ClientCredentials(
            issuer="https://a.example", client_id="reports", client_secret="s", **settings
        )  # type: ignore[arg-type]
        return source.login_request("https://a.example/token", reveal(source.secrets()), Moment(0.0, "", offered))

    assert ("Authorization" in dict(sent().headers)) == header
    assert "Authorization" in dict(sent(authentication="client_secret_basic").headers)
    assert "Authorization" not in dict(sent(authentication="client_secret_post").headers)
