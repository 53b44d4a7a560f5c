"""Every kind of source as roomkey.toml writes it: it gets a token from a real server, and mistakes are named."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import roomkey
from roomkey.jose import KeySet
from roomkey.oauth.custom_login import LoginCall

STORE = '[store]\nurl = "memory:"\n'


@pytest.fixture
def configured(read, issuer, api, monkeypatch):
    """The credential ``it`` of a table with these lines, which may name the issuer's addresses."""
    monkeypatch.setenv("ORDERS_SECRET", issuer.client.client_secret)
    monkeypatch.setenv("PASSWORD", issuer.user.password)
    opened = []

    def made(lines: str, *more: str):
        places = {"ISSUER": issuer.url, "TOKEN_ENDPOINT": issuer.token_endpoint}
        text = "\n".join([STORE, "[credentials.it]", lines, *more])
        for name, place in places.items():
            text = text.replace(name, place)
        opened.append(read(text))
        return opened[-1].credential("it")

    yield made
    for configuration in opened:
        configuration.close()


def works(credential, api) -> bool:
    from httpx2 import Client

    from roomkey.integrations.httpx2 import BearerAuth

    with Client(base_url=api.url, auth=BearerAuth(credential, origins=[api.url])) as client:
        return client.get("/orders").status_code == 200


def test_client_credentials_with_discovery(configured, issuer, api):
    it = configured('source = "client_credentials"\nissuer = "ISSUER"\nclient_id = "reports"\n'
                    'client_secret = { env = "ORDERS_SECRET" }\nscope = "orders:read"')  # fmt: skip
    assert works(it, api)
    (asked,) = issuer.token_requests
    assert (asked.grant_type, asked.client_id, asked.authentication) == (
        "client_credentials", "reports", "client_secret_basic",
    )  # fmt: skip
    assert asked.parameter("scope") == "orders:read"


def test_client_credentials_with_every_setting(configured, issuer, api):
    it = configured(
        """
        source = "client_credentials"
        token_endpoint = "TOKEN_ENDPOINT"
        client_id = "reports"
        client_secret = { env = "ORDERS_SECRET" }
        scope = "orders:read orders:write"
        audience = "orders-api"
        resource = ["https://one.example", "https://two.example"]
        extra.tenant = "acme"
        authentication = "client_secret_post"
        repeat_on_refresh = true
        default_lifetime = 120
        answer = { access_token = "access_token", expires_in = "expires_in" }
        """
    )
    assert it.token().scope == "orders:read orders:write"
    (asked,) = issuer.token_requests
    assert asked.authentication == "client_secret_post"
    assert [pair for pair in asked.parameters if pair[0] in ("resource", "tenant", "audience")] == [
        ("audience", "orders-api"),
        ("resource", "https://one.example"),
        ("resource", "https://two.example"),
        ("tenant", "acme"),
    ]


def test_a_client_may_send_no_proof_where_the_server_knows_it_otherwise(configured, issuer):
    it = configured(
        'source = "client_credentials"\ntoken_endpoint = "TOKEN_ENDPOINT"\nclient_id = "app"\nauthentication = "none"'
    )
    issuer.answer_with(body={"access_token": "known-by-its-certificate", "token_type": "Bearer", "expires_in": 60})
    assert it.token().value == "known-by-its-certificate"
    assert issuer.token_requests[0].authentication == "none"


KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PAIR = """
source = "client_credentials"
issuer = "ISSUER"
client_id = "pair"
authentication = {}
"""


def test_a_client_may_prove_itself_with_a_private_key_from_a_file(configured, issuer, api, folder, leaks):
    issuer.add_client("pair", keys=KeySet.static(PUBLIC))
    (folder / "pair.pem").write_bytes(PEM)
    leaks.plant(PEM.decode())
    it = configured(PAIR.format('{ private_key = { file = "pair.pem" }, key_id = "2026-11", algorithm = "ES256" }'))
    assert works(it, api)
    (asked,) = issuer.token_requests
    assert (asked.client_id, asked.authentication) == ("pair", "private_key_jwt")
    leaks.assert_clean(it, it.status())


def test_a_private_key_may_be_a_table_of_its_own_with_an_audience(configured, issuer, folder):
    issuer.add_client("pair", keys=KeySet.static(PUBLIC))
    (folder / "pair.pem").write_bytes(PEM)
    it = configured(
        'source = "client_credentials"\nissuer = "ISSUER"\nclient_id = "pair"',
        "[credentials.it.authentication]",
        'private_key = { file = "pair.pem" }',
        f'audience = "{issuer.token_endpoint}"',
    )
    assert it.token().value


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("{}", "[credentials.it.authentication] private_key is missing"),
        ('{ key_id = "k" }', "[credentials.it.authentication] private_key is missing"),
        ('{ private_key = "MIG-hunter2" }', "private_key has its secret in plain text"),
        ('{ private_key = { file = "k" }, kid = "a" }', 'kid is not known; did you mean "key_id"?'),
        ('{ private_key = { file = "k" }, key_id = 3 }', "key_id must be a string"),
        ('"private_key_jwt"', "authentication must name its key: { private_key = { file = "),
        ('"client_secret_basik"', 'did you mean "client_secret_basic"?'),
    ],
)
def test_another_proof_is_rejected_and_the_right_one_said(problem, pair, words):
    text = problem("[credentials.it]" + PAIR.format(pair).replace("ISSUER", "https://auth.example"))
    assert words in text
    assert "hunter2" not in text


def test_a_private_key_and_a_client_secret_exclude_each_other(problem):
    words = problem(
        "[credentials.it]"
        + PAIR.format('{ private_key = { file = "k" } }').replace("ISSUER", "https://auth.example")
        + 'client_secret = { env = "S" }'
    )
    assert words.startswith("[credentials.it] ")
    assert "client_secret" in words


def test_a_user_signs_in_with_and_without_a_client(configured, issuer, api):
    user = (
        'source = "password"\ntoken_endpoint = "TOKEN_ENDPOINT"\nusername = "alice"\npassword = { env = "PASSWORD" }\n'
    )
    both = configured(user + 'client_id = "reports"\nclient_secret = { env = "ORDERS_SECRET" }')
    assert works(both, api)
    assert (issuer.token_requests[-1].grant_type, issuer.token_requests[-1].client_id) == ("password", "reports")
    issuer.add_client("public-app", public=True)
    assert works(configured(user + 'client_id = "public-app"'), api)
    assert issuer.token_requests[-1].authentication == "none"


def test_an_app_token_is_used_as_it_stands_in_its_file_and_read_again(configured, issuer, api, folder):
    (folder / "app-token").write_text(issuer.issue() + "\n")
    it = configured('source = "service_account_token"\ntoken = { file = "app-token" }\nwarn_before = 60')
    assert works(it, api)
    assert issuer.token_requests == []


NESTED = """
source = "custom_login"
url = "ISSUER/login/nested"
fields.username = "alice"
fields.password = { env = "PASSWORD" }
answer = { access_token = "data.auth.token", expires_in = "data.auth.expiresIn" }
"""


def test_a_login_that_is_not_oauth(configured, issuer, api):
    assert works(configured(NESTED), api)
    assert issuer.token_requests[0].parameters == (("username", "alice"), ("password", "••••"))


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("bare", "answer = { whole_body = true }"),
        ("header", 'body = "form"\nanswer = { token_header = "X-Auth-Token" }'),
        ("dated", 'answer = { access_token = "access", expires_at = "validUntil" }'),
    ],
)
def test_logins_of_other_shapes(configured, api, path, rest):
    lines = NESTED.replace("/login/nested", f"/login/{path}").partition("answer")[0]
    assert works(configured(lines + rest), api)


def test_credentials_in_headers_and_another_method(configured, issuer, api):
    it = configured(
        'source = "custom_login"\nurl = "ISSUER/login/bare"\nmethod = "PUT"\nbody = "none"\nanswer.whole_body = true',
        "[credentials.it.headers]",
        'X-Username = "alice"',
        'X-Password = { env = "PASSWORD" }',
    )
    assert works(it, api)
    assert issuer.token_requests[0].authentication == "headers"


def test_a_refresh_of_its_own(configured, issuer):
    issuer.refresh_tokens = True
    it = configured(
        NESTED.replace('expiresIn" }', 'expiresIn", refresh_token = "data.auth.refreshToken" }'),
        'refresh_field = "refreshToken"',
        'refresh = { url = "ISSUER/login/nested-refresh" }',
    )
    it.token()
    it.refresh()
    assert [one.path for one in issuer.token_requests] == ["/login/nested", "/login/nested-refresh"]


def test_a_login_that_carries_the_apps_own_token(configured, issuer, api):
    it = configured(
        NESTED.replace("/login/nested", "/login/service")
        .replace("data.auth.token", "userToken")
        .replace("data.auth.expiresIn", "expiresInSeconds"),
        'authenticated_by = "app"',
        "[credentials.app]",
        'source = "client_credentials"\ntoken_endpoint = "TOKEN_ENDPOINT"\nclient_id = "reports"',
        'client_secret = { env = "ORDERS_SECRET" }',
    )
    assert works(it, api)
    assert [(one.grant_type, one.authentication) for one in issuer.token_requests] == [
        ("client_credentials", "client_secret_basic"),
        ("custom_login", "bearer"),
    ]


CLIENT = (
    '[credentials.it]\nsource = "client_credentials"\nissuer = "https://auth.example"\nclient_id = "reports"\n'
    'client_secret = { env = "S" }\n'
)
LOGIN = '[credentials.it]\nsource = "custom_login"\nurl = "https://api.example/login"\n'


def test_nested_fields_become_nested_json_however_they_are_written(read, monkeypatch):
    monkeypatch.setenv("PASSWORD", "hunter2!")
    forms = (
        'fields."user.name" = "alice"\nfields."user.password" = { env = "PASSWORD" }\n',
        'fields.user.name = "alice"\nfields.user.password = { env = "PASSWORD" }\n',
        'fields = { user = { name = "alice", password = { env = "PASSWORD" } } }\n',
        '[credentials.it.fields.user]\nname = "alice"\npassword = { env = "PASSWORD" }\n',
    )
    for form in forms:
        made = read(LOGIN + form).source("it")
        assert made.fields == {"user.name": "alice", "user.password": roomkey.Secret.from_env("PASSWORD")}


def test_everything_of_a_login_arrives_in_the_source(read):
    made = read(
        LOGIN
        + """
        method = "PUT"
        body = "form"
        headers.X-Tenant = "acme"
        scheme = "Token"
        app_header = "X-App"
        default_lifetime = 42.5
        refresh_field = "renew"
        [credentials.it.refresh]
        url = "https://api.example/renew"
        method = "PATCH"
        body = "json"
        fields.kind = "renewal"
        headers.X-Tenant = "acme"
        """
    ).source("it")
    assert (made.method, made.body, dict(made.headers)) == ("PUT", "form", {"X-Tenant": "acme"})
    assert (made.scheme, made.app_header, made.default_lifetime, made.refresh_field) == (
        "Token",
        "X-App",
        42.5,
        "renew",
    )
    assert made.refresh == LoginCall(
        url="https://api.example/renew",
        method="PATCH",
        fields={"kind": "renewal"},
        headers={"X-Tenant": "acme"},
    )


@pytest.mark.parametrize(
    "name",
    [
        "password", "user_pwd", "passwd", "passcode", "pin", "PIN", "apiKey", "x-api-key", "client_secret", "authToken",
        "access_token", "refreshToken", "Authorization", "Cookie", "private_key", "credentials", "passphrase",
    ],
)  # fmt: skip
def test_a_field_or_header_that_looks_like_a_secret_is_rejected_and_not_repeated(problem, name):
    for group in ("fields", "headers", "fields.user", "refresh.fields"):
        more = 'refresh.url = "https://api.example/renew"\n' if group.startswith("refresh") else ""
        words = problem(f'{LOGIN}{more}{group}."{name}" = "hunter2 in plain text"\n')
        assert f"{name} looks like a secret in plain text; write {name} = {{ env" in words
        assert "hunter2" not in words


@pytest.mark.parametrize(
    "name", ["username", "tenant", "tokenType", "grant_type", "passport_number", "opinion", "scope"]
)
def test_other_fields_may_stand_in_plain_text(read, name):
    assert read(f'{LOGIN}fields.{name} = "visible"\n').source("it").fields == {name: "visible"}


@pytest.mark.parametrize(
    "lines",
    [
        LOGIN.replace("/login", "/login?tenant=a&api_key=hunter2"),
        LOGIN + 'refresh.url = "https://api.example/renew?password=hunter2"',
        CLIENT.replace('issuer = "https://auth.example', 'token_endpoint = "https://auth.example/t?token=hunter2'),
    ],
)
def test_a_secret_in_a_url_is_rejected_and_not_repeated(problem, lines):
    words = problem(lines)
    assert "has a secret in its query, in plain text" in words
    assert "hunter2" not in words


def test_a_secret_among_the_extra_parameters_is_rejected_and_not_repeated(problem):
    words = problem(
        '[credentials.it]\nsource = "client_credentials"\nissuer = "https://auth.example"\nclient_id = "a"\n'
        'client_secret = { env = "A" }\nextra.otp_token = "hunter2"'
    )
    assert words == (
        "[credentials.it.extra] otp_token looks like a secret in plain text; extra parameters cannot be secret."
    )


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (CLIENT + 'token_endpoint = "https://auth.example/t"', "token_endpoint and issuer exclude each other"),
        (CLIENT.replace('issuer = "https://auth.example"\n', ""), "issuer is missing; add it."),
        (CLIENT.replace('client_id = "reports"\n', ""), "client_id is missing; add it."),
        (CLIENT.replace('client_secret = { env = "S" }\n', ""), "client_secret is missing; add client_secret = { env"),
        (CLIENT.replace("https:", "http:"), "issuer= is not https"),
        (CLIENT + 'scopes = "a"', 'scopes is not known; did you mean "scope"?'),
        (CLIENT + 'username = "alice"', "username is not known; settings here are source, base_url, context, issuer"),
        (CLIENT + "scope = 3", "scope must be a string in quotes"),
        (CLIENT + 'scope = ""', "scope must be a string in quotes"),
        (CLIENT + "resource = [1]", "resource must be a list of strings"),
        (CLIENT + 'repeat_on_refresh = "yes"', "repeat_on_refresh must be true or false, without quotes."),
        (CLIENT + "default_lifetime = 0", "default_lifetime must be a number above 0."),
        (CLIENT + "default_lifetime = inf", "default_lifetime must be a number above 0."),
        (CLIENT + "default_lifetime = nan", "default_lifetime must be a number above 0."),
        (CLIENT + "default_lifetime = true", "default_lifetime must be a number above 0."),
        (CLIENT + "default_lifetime = 1e9", "default_lifetime= is a number of seconds above 0 and up to 366 days."),
        (CLIENT + 'answer = "data.token"', "answer must be a table."),
        (CLIENT + 'answer.acces_token = "a"', 'acces_token is not known; did you mean "access_token"?'),
        (CLIENT + 'answer.whole_body = true\nanswer.token_header = "X"', "Declare one place for the token"),
        (CLIENT + 'extra.scope = "b"', "extra= cannot set scope"),
        (CLIENT.replace("client_credentials", "client_credential"), 'did you mean "client_credentials"?'),
        (CLIENT.replace("client_credentials", "saml"), "source must be one of client_credentials, password, service_"),
        (CLIENT.replace('source = "client_credentials"\n', ""), "source must be one of client_credentials, password"),
        ('[credentials.it]\nsource = "service_account_token"\n', "token is missing; add token = { env"),
        ('[credentials.it]\nsource = "service_account_token"\ntoken = "eyJhbGci"', "token has its secret in plain"),
        (LOGIN.replace('url = "https://api.example/login"', ""), "url is missing; add it."),
        (LOGIN + 'method = "post"', "method= is an HTTP method in capitals"),
        (LOGIN + 'body = "xml"', "body must be one of json, form, none."),
        (LOGIN + 'body = "none"\nfields.a = "b"', "fields= need body="),
        (LOGIN + "fields.a = 1", "fields] a must be a string in quotes"),
        (LOGIN + 'fields = "a=b"', "fields must be a table."),
        (LOGIN + 'headers.Host = "evil.example"', "headers= cannot set 'Host'"),
        (LOGIN + 'scheme = "two words"', "scheme= is one word"),
        (LOGIN + 'refresh.uri = "https://api.example"', 'uri is not known; did you mean "url"?'),
        (LOGIN + 'issuer = "https://auth.example"', "issuer is not known"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_table_and_key(problem, lines, words):
    text = problem(lines)
    assert text.startswith("[credentials.it")
    assert words in text


def test_no_value_of_a_rejected_setting_is_repeated(problem):
    for key in ("source", "authentication", "scope", "issuer", "resource", "repeat_on_refresh", "base_url", "context"):
        kept = "\n".join(line for line in CLIENT.splitlines() if not line.startswith(f"{key} "))
        for value in ('"hunter2 hunter2"', '{ hunter2 = "hunter2" }', '[["hunter2"]]'):
            if key in ("scope", "resource", "context") and value.startswith('"'):
                continue  # a text is what belongs there
            assert '"hunter2' not in problem(f"{kept}\n{key} = {value}\n").replace(json.dumps("hunter2"), "")
