"""Tokens that are bound to a certificate, behind servers that say which one the connection has (validator 46)."""

import base64
import datetime as dt
import hashlib
import io
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.test.utils import override_settings
from fastapi import Depends, FastAPI

import roomkey
from roomkey.errors import ConfigurationError
from roomkey.integrations.asgi import BearerTokenMiddleware
from roomkey.integrations.django import authorize
from roomkey.integrations.fastapi import BearerToken
from roomkey.integrations.request_credentials import CertificateProxies, client_certificate
from roomkey.testing import Issuer


def certificate() -> x509.Certificate:
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "reports")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now)
    return made.sign(key, hashes.SHA256())


def pem(one: x509.Certificate) -> str:
    return one.public_bytes(serialization.Encoding.PEM).decode()


def der(one: x509.Certificate) -> bytes:
    return one.public_bytes(serialization.Encoding.DER)


OWN, OTHER = certificate(), certificate()
BOUND_TO = base64.urlsafe_b64encode(hashlib.sha256(der(OWN)).digest()).rstrip(b"=").decode()


def asgi_status(app: Any, scope: dict[str, Any]) -> int:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    anyio.run(app, scope, receive, send)
    return int(sent[0]["status"])


def by_asgi(validator: roomkey.TokenValidator, scope: dict[str, Any]) -> int:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return asgi_status(BearerTokenMiddleware(app, validator), scope)


def by_fastapi(validator: roomkey.TokenValidator, scope: dict[str, Any]) -> int:
    app = FastAPI()
    app.get("/orders", dependencies=[Depends(BearerToken(validator))])(lambda: None)
    return asgi_status(app, scope)


def by_django(validator: roomkey.TokenValidator, scope: dict[str, Any]) -> int:
    if not settings.configured:
        settings.configure()
    with override_settings(ROOMKEY={"VALIDATOR": validator}):
        outcome = authorize(ASGIRequest(scope, io.BytesIO()), roomkey.Requirements())
    return outcome.status if isinstance(outcome, roomkey.AccessError) else 200


@pytest.mark.parametrize("status", [by_asgi, by_fastapi, by_django])
@pytest.mark.parametrize(
    ("extensions", "good"),
    [
        ({"tls": {"client_cert_chain": [pem(OWN)]}}, True),
        ({"tls": {"client_cert_chain": (pem(OWN), pem(OTHER)), "client_cert_error": None}}, True),
        ({"tls": {"client_cert_chain": [pem(OTHER), pem(OWN)]}}, False),
        ({"tls": {"client_cert_chain": [pem(OWN)], "client_cert_error": "self-signed certificate"}}, False),
        ({"tls": {}}, False),
        ({}, False),
        (None, False),
    ],
    ids=["its own", "with a chain", "another's", "not verified", "none", "no TLS", "no extensions"],
)
def test_a_bound_token_is_valid_with_its_own_certificate_alone(
    issuer: Issuer, status: Callable[..., int], extensions: dict[str, Any] | None, good: bool
) -> None:
    validator = roomkey.TokenValidator(issuer=issuer.url, audience=issuer.audience)
    token = issuer.token(cnf={"x5t#S256": BOUND_TO})
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/orders",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {token}".encode()), (b"x-client-cert", pem(OWN)[:60].encode())],
        "extensions": extensions,
    }
    if extensions is None:
        del scope["extensions"]
    assert status(validator, scope) == (200 if good else 401)


@pytest.mark.parametrize(
    "first",
    ["", "no certificate", "é", b"bytes", 1, None, pem(OWN)[:-30]],
    ids=["empty", "text", "accent", "bytes", "number", "none", "cut"],
)
def test_a_certificate_that_is_none_counts_for_nothing(first: object) -> None:
    assert client_certificate({"extensions": {"tls": {"client_cert_chain": [first]}}}) is None
    assert client_certificate({"extensions": {"tls": {"client_cert_chain": [pem(OWN)]}}}) == der(OWN)


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("10.1.3.3", False),
        ("2001:db8::1", True),
        ("2001:db8:1::1", False),
        ("10.1.2.3, 10.9.9.9", False),
        ("proxy.example", False),
        ("", False),
        (None, False),
    ],
)
def test_a_proxy_is_known_by_its_url(peer: str | None, trusted: bool) -> None:  # validator 46
    proxies = CertificateProxies(["10.1.2.0/24", "2001:db8::/48"])
    said = f":{base64.b64encode(der(OWN)).decode()}:"
    assert proxies.certificate(peer, [said]) == (der(OWN) if trusted else None)
    assert CertificateProxies(()).certificate(peer, [said]) is None


@pytest.mark.parametrize("named", ["proxy.example", ["10.1.2.3/24"], ["*"], [""], ["10.1.2"]])
def test_a_proxy_that_is_named_otherwise_is_a_mistake(named: str | list[str]) -> None:
    with pytest.raises(ConfigurationError, match="certificates_from="):
        CertificateProxies(named)
