"""One API, made with each framework and served by a real server, gives one and the same answers."""

import base64
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.integrations.protected.protected_app import PROGRAMS, ProtectedApp
from tests.jose.key_server import KeyServer, eventually

from roomkey.testing import Issuer

pytestmark = pytest.mark.slow

CERTIFICATE = b"the client's certificate, in DER"
BOUND = {"x5t#S256": base64.urlsafe_b64encode(hashlib.sha256(CERTIFICATE).digest()).rstrip(b"=").decode()}
PROXY = "127.0.0.2"
REALM = 'realm="orders"'
METADATA = 'resource_metadata="https://orders.example/.well-known/oauth-protected-resource"'
READ = 'scope="orders:read"'
WRITE = 'scope="orders:write"'
DPOP = f'DPoP {REALM}, algs="ES256", {METADATA}'
INVALID = 'error="invalid_token", error_description="The access token is not valid."'
REJECTED = f"Bearer {REALM}, {INVALID}, {METADATA}, {DPOP}"
MISSING = f'Bearer {REALM}, {{0}}, {METADATA}, DPoP {REALM}, algs="ES256", {{0}}, {METADATA}'


def test_a_valid_token_brings_its_verified_claims_to_the_route(app: ProtectedApp, issuer: Issuer) -> None:
    answered = app.get("/orders", f"Bearer {issuer.issue()}")
    assert answered.status == 200, answered.body
    assert answered.json == {"subject": "reports", "client_id": "reports", "scopes": ["orders:read", "orders:write"]}
    assert app.get("/orders", app.bearer().replace("Bearer", "bEARER")).status == 200  # validator 41


@pytest.mark.parametrize("app", [name for name in PROGRAMS if name != "rest_framework"], indirect=True)
def test_asynchronous_routes_are_protected_too(app: ProtectedApp) -> None:
    assert app.get("/async", app.bearer()).json["subject"] == "alice"
    if app.name != "asgi":
        assert app.get("/async", app.bearer(scope="orders:write")).status == 403
    assert app.get("/async").status == 401


@pytest.mark.parametrize("app", ["django", "django-asgi"], indirect=True)
def test_a_class_of_asynchronous_views_is_protected_as_a_whole(app: ProtectedApp) -> None:  # validator 43
    assert app.get("/async-class", app.bearer()).json["subject"] == "alice"
    assert app.get("/async-class", app.bearer(scope="")).status == 403
    assert app.get("/async-class").status == 401


def test_a_body_reaches_the_route_untouched(app: ProtectedApp) -> None:
    body = "access_token=in-the-body&more=1"
    answered = app.get("/orders", app.bearer(scope="orders:write"), method="POST", body=body)
    assert answered.json == {"received": body}


@pytest.mark.parametrize("other", [(), ("Basic cmVwb3J0czpzZWNyZXQ=",), ("",)], ids=["none", "basic", "empty"])
def test_no_token_is_a_401_without_an_error_code(app: ProtectedApp, other: tuple[str, ...]) -> None:  # validator 43
    answered = app.get("/orders", *other)
    assert answered.status == 401
    assert answered.challenge == MISSING.format(READ)


def test_the_first_401_names_the_scopes_that_the_route_requires(app: ProtectedApp) -> None:  # validator 43
    assert app.get("/orders", method="POST", body="").challenge == MISSING.format(WRITE)
    assert app.get("/guarded").challenge == MISSING.format(READ)
    assert app.get("/payments", "Basic YTpi").challenge == MISSING.format(READ)
    assert "scope=" not in app.get("/admin").challenge


@pytest.mark.parametrize("app", ["flask", "fastapi"], indirect=True)
def test_the_first_401_of_a_group_of_routes_names_what_the_route_requires_too(app: ProtectedApp) -> None:
    assert app.get("/guarded-twice").challenge == MISSING.format('scope="orders:read orders:write"')
    assert app.get("/guarded-twice", app.bearer(scope="orders:read orders:write")).status == 200
    assert app.get("/guarded-twice", app.bearer()).status == 403


def test_two_authorization_headers_are_a_400(app: ProtectedApp) -> None:  # validator 40
    good = app.bearer()
    for both in ((good, good), (good, "Basic YTpi"), ("Basic YTpi", good), ("", good), (good, ""), ("a", "b", good)):
        answered = app.get("/orders", *both)
        assert (answered.status, answered.error) == (400, "invalid_request"), both
        assert 'error="invalid_request"' in answered.challenge


def test_two_values_in_one_authorization_header_are_a_400(app: ProtectedApp) -> None:  # validator 40
    good = app.bearer()
    for joined in (f"{good}, {good}", f"{good},{good}", f"Basic YTpi, {good}", f"{good}, Basic YTpi"):
        answered = app.get("/orders", joined)
        assert (answered.status, answered.error) == (400, "invalid_request"), joined


def test_a_token_in_the_query_is_never_read_and_beside_the_header_it_is_a_400(
    app: ProtectedApp,
) -> None:  # validator 42
    for query in (f"access_token={app.token()}", "a=1&access_token=", f"access%5Ftoken={app.token()}"):
        for authorization in ((), (app.bearer(),)):
            answered = app.get(f"/orders?{query}", *authorization)
            assert (answered.status, answered.error) == (400, "invalid_request"), query
    assert app.get("/orders?a=access_token&my_access_token=1", app.bearer()).status == 200


def test_a_token_in_a_form_is_never_read(app: ProtectedApp) -> None:  # validator 42
    form = f"access_token={app.token(scope='orders:write')}"
    kind = "application/x-www-form-urlencoded"
    answered = app.get("/orders", method="POST", body=form, kind=kind)
    assert answered.status == 401
    assert answered.challenge == MISSING.format(WRITE)
    scarce = app.get("/orders", app.bearer(scope="orders:read"), method="POST", body=form, kind=kind)
    assert (scarce.status, scarce.error) == (403, "insufficient_scope")


def test_a_certificate_in_a_header_is_believed_from_no_one_else(app: ProtectedApp) -> None:  # validator 46
    certificate = CERTIFICATE
    encoded = base64.b64encode(certificate).decode()
    shown = {
        "Client-Cert": f":{encoded}:",
        "X-Client-Cert": encoded,
        "X-SSL-Client-Cert": encoded,
        "X-Forwarded-Client-Cert": f'Hash={hashlib.sha256(certificate).hexdigest()};Cert="{encoded}"',
        "SSL-Client-Cert": encoded,
    }
    answered = app.get("/orders", app.bearer(cnf=BOUND), more=shown)
    assert (answered.status, answered.error) == (401, "invalid_token")


def test_a_certificate_in_a_header_is_believed_from_a_trusted_proxy(app: ProtectedApp) -> None:  # validator 46
    bound, said = app.bearer(cnf=BOUND), f":{base64.b64encode(CERTIFICATE).decode()}:"
    assert app.get("/orders", bound, peer=PROXY, certificates=[said]).status == 200
    other = f":{base64.b64encode(CERTIFICATE + b'!').decode()}:"
    for peer, certificates in (
        ("127.0.0.1", [said]),
        ("127.0.0.3", [said]),
        (PROXY, []),
        (PROXY, [other]),
        (PROXY, [other, said]),
        (PROXY, [said, said]),
        (PROXY, [said.strip(":")]),
        (PROXY, [said[:-1]]),
        (PROXY, [f"{said}, {said}"]),
        (PROXY, ["::"]),
        (PROXY, [":\u00e9:"]),
        (PROXY, [f":{'A' * 20_000}:"]),
    ):
        answered = app.get("/orders", bound, peer=peer, certificates=certificates)
        assert (answered.status, answered.error) == (401, "invalid_token"), (peer, certificates)
    spoofed = {"X-Forwarded-For": PROXY, "Client_Cert": said}
    assert app.get("/orders", bound, peer="127.0.0.3", certificates=[said], more=spoofed).status == 401
    assert app.get("/orders", bound, peer=PROXY, more={"Client_Cert": said}).status == 401
    assert app.get("/orders", app.bearer(), peer=PROXY, certificates=[said]).status == 200


@pytest.mark.parametrize("value", ["Bearer  {}", "Bearer    {}", "Bearer {} ", "Bearer {}\t", "bearer  {} \t"])
def test_optional_white_space_around_a_token_changes_nothing(app: ProtectedApp, value: str) -> None:  # validator 41
    assert app.get("/orders", value.format(app.token())).status == 200


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer  ", "Bearer\t{}", "Bearer {} more", "Bearer\xe9 {}", "Bearer {}\xe9"]
)
def test_a_malformed_header_is_rejected(app: ProtectedApp, value: str) -> None:  # validator 41
    answered = app.get("/orders", value.format(app.token()))
    assert answered.status in {400, 401}
    assert answered.challenge.startswith("Bearer ")


def test_bad_tokens_are_a_401_that_tells_attackers_nothing(app: ProtectedApp) -> None:  # validator 43, 44
    good = app.token()
    head, _, signature = good.rpartition(".")
    forged = f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    bad = [
        app.token(lifetime=-100.0),
        forged,
        app.token(aud="payments-api"),
        app.token(issuer="https://elsewhere.example"),
        app.token(jti=None),
        "a.b.c",
        "opaque",
        "A" * 20_000,
    ]
    for token in bad:
        answered = app.get("/orders", f"Bearer {token}")
        assert (answered.status, answered.error, answered.challenge) == (401, "invalid_token", REJECTED), token[:60]
        assert token not in answered.body.decode()


def test_a_forged_token_is_a_401_whatever_it_says_of_scopes(app: ProtectedApp) -> None:  # validator 39
    for scope in ("orders:read", "orders:write", ""):
        head, _, signature = app.token(scope=scope).rpartition(".")
        assert app.get("/orders", f"Bearer {head}.{signature[::-1]}").status in {400, 401}
        expired = app.get("/admin", app.bearer(scope=scope, lifetime=-100.0))
        assert (expired.status, expired.error) == (401, "invalid_token")


def test_a_missing_scope_is_a_403_that_names_it(app: ProtectedApp) -> None:  # validator 43
    for scope in ("orders:write", "", "orders:readall", "orders"):
        answered = app.get("/orders", app.bearer(scope=scope))
        assert (answered.status, answered.error) == (403, "insufficient_scope"), scope
        assert 'error="insufficient_scope"' in answered.challenge
        assert 'scope="orders:read"' in answered.challenge
        assert METADATA in answered.challenge


def test_a_missing_role_is_a_403(app: ProtectedApp) -> None:
    assert app.get("/admin", app.bearer(roles=["admin"])).status == 200
    for roles in (["admin2"], [], None):
        answered = app.get("/admin", app.bearer(roles=roles))
        assert (answered.status, answered.error) == (403, "access_denied")
        assert "scope=" not in answered.challenge


def test_a_token_of_another_tenant_is_a_403(app: ProtectedApp) -> None:
    assert app.get("/tenants/acme/orders", app.bearer(tenant="acme")).status == 200
    for tenant in ("other", None, ""):
        assert app.get("/tenants/acme/orders", app.bearer(tenant=tenant)).status == 403


def test_a_sign_in_that_is_too_weak_or_too_old_asks_for_another(app: ProtectedApp) -> None:
    now = int(time.time())
    assert app.get("/payments", app.bearer(acr="phr", auth_time=now)).status == 200
    assert app.get("/payments", app.bearer(acr="phr", auth_time=now, scope="")).status == 403
    for claims in ({"acr": "pwd", "auth_time": now}, {"acr": "phr", "auth_time": now - 1000}, {}):
        answered = app.get("/payments", app.bearer(**claims))
        assert (answered.status, answered.error) == (401, "insufficient_user_authentication")
        assert 'error="insufficient_user_authentication"' in answered.challenge
        assert 'acr_values="phr", max_age="300"' in answered.challenge


def test_an_outage_of_the_issuer_is_a_503_and_others_are_served_meanwhile(
    app: ProtectedApp, second: KeyServer
) -> None:  # validator 43
    path = "/orders" if app.name == "rest_framework" else "/async"
    second.hang()
    asked = len(second.asked)
    ours, theirs = app.bearer(), app.bearer(issuer=second.origin)
    assert app.get(path, ours).status == 200
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(app.get, path, theirs)
        eventually(lambda: len(second.asked) > asked)
        for _ in range(5):  # the one that waits holds up no other caller
            assert app.get(path, ours).status == 200
        assert not waiting.done()
        second.recover()
        answered = waiting.result()
    again = app.get(path, theirs)
    for down in (answered, again):
        assert down.status == 503
        assert down.error == "keys_unavailable"
        assert 1 <= int(down.headers["retry-after"]) <= 3600
        assert down.challenge is None
    assert app.get(path).status == 401


def test_a_public_route_needs_no_token_and_looks_at_none(app: ProtectedApp) -> None:
    assert app.get("/health").json == {"open": True}
    bad = app.get("/health", app.bearer(lifetime=-100.0))
    assert bad.status == (401 if app.name == "rest_framework" else 200)  # there, authentication comes before permission


def test_a_route_that_says_nothing_more_needs_a_valid_token(app: ProtectedApp) -> None:
    assert app.get("/teapot").status == 401
    assert app.get("/teapot", app.bearer(lifetime=-100.0)).error == "invalid_token"


def test_what_the_app_raises_itself_is_left_alone(app: ProtectedApp) -> None:
    teapot = app.get("/teapot", app.bearer())
    assert (teapot.status, teapot.json) == (418, {"own": True})
    broken = app.get("/broken", app.bearer())
    assert broken.status == 500
    assert broken.challenge is None


def test_the_metadata_tell_who_issues_tokens(app: ProtectedApp, issuer: Issuer, second: KeyServer) -> None:
    answered = app.get("/.well-known/oauth-protected-resource")
    assert answered.status == 200
    assert answered.headers["content-type"] == "application/json"
    assert answered.json == {
        "resource": "https://orders.example",
        "authorization_servers": [issuer.url, second.origin],
        "scopes_supported": ["orders:read", "orders:write"],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256"],
    }
    head = app.get("/.well-known/oauth-protected-resource", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    posted = app.get("/.well-known/oauth-protected-resource", method="POST")
    assert posted.status == (403 if app.name.startswith("django") else 405)  # Django looks for forgeries first


def test_responses_to_a_token_are_private_for_caches(app: ProtectedApp) -> None:
    answered = app.get("/orders", app.bearer())
    assert answered.headers["cache-control"] == "private"
    assert "Authorization" in answered.headers["vary"].split(", ")
    shared = app.get("/shared", app.bearer())  # the route itself says so
    assert (shared.status, shared.headers["cache-control"]) == (200, "public, max-age=60")
    assert "Authorization" in shared.headers["vary"].split(", ")
    assert "private" not in app.get("/health").headers.get("cache-control", "")


@pytest.mark.parametrize("app", ["django", "django-asgi", "rest_framework"], indirect=True)
def test_nothing_that_needs_a_token_comes_out_of_the_cache_of_the_site(app: ProtectedApp) -> None:
    bearer = app.bearer()
    for path in ("/counted", "/counted-in-public"):
        first, again = app.get(path, bearer), app.get(path, bearer)
        assert (first.status, again.status) == (200, 200)
        assert first.json["run"] != again.json["run"]
        assert app.get(path, app.bearer(sub="otto")).json["subject"] == "otto"
        assert app.get(path).status == 401
        assert app.get(path, app.bearer(lifetime=-100.0)).status == 401


@pytest.mark.parametrize("path", ["/orders", "/guarded"])
def test_a_browsers_preflight_needs_no_token_and_the_request_does(app: ProtectedApp, path: str) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    preflight = app.get(path, method="OPTIONS", more=asked | {"Access-Control-Request-Headers": "authorization"})
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    for authorization, status in (((), 401), ((app.bearer(),), 200)):
        answered = app.get(path, *authorization, more={"Origin": "https://shop.example"})
        assert (answered.status, answered.headers["access-control-allow-origin"]) == (status, "https://shop.example")


@pytest.mark.parametrize("app", ["flask"], indirect=True)
def test_a_view_that_answers_options_itself_still_needs_a_token(app: ProtectedApp) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    assert app.get("/own-options", method="OPTIONS", more=asked).status == 401
    assert app.get("/own-options", app.bearer(), method="OPTIONS", more=asked).json == {"subject": "alice"}


def test_rejections_are_not_kept_by_caches(app: ProtectedApp) -> None:
    rejections = [app.get("/orders", "Bearer x"), app.get("/orders", app.bearer(scope=""))]
    if app.name != "rest_framework":  # which itself answers where no class has found a user
        rejections.append(app.get("/orders"))
    for answered in rejections:
        assert answered.headers["cache-control"] == "no-store"
        assert answered.headers["content-type"] == "application/json"
