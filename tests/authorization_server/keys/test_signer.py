"""The signers of tokens; for HS256 the service and one API share a secret, which no other party sees."""

import jwt
import pytest
from sqlalchemy import select, update
from tests.authorization_server.sample_tokens import CONSOLE, add_api, issue

import roomkey
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.errors import DatabaseUnsuitable, NotAllowed, NotFound
from roomkey.authorization_server.keys.signer import new_shared_secret, signer
from roomkey.authorization_server.schema.accounts import apis, tenants
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.service import Service
from roomkey.errors import ConfigurationError
from roomkey.jose.signing_key import HMACKey
from roomkey.testing import FakeClock


def make(service: Service, audience: str = "orders-api", actor: Actor = CONSOLE) -> roomkey.Secret:
    with service.unit_of_work(actor) as uow:
        return new_shared_secret(uow, audience)


def test_a_signature_verifies_with_the_secret_as_it_was_shown(service: Service, clock: FakeClock) -> None:
    secret = add_api(service, algorithm="HS256").shared_secret
    assert secret is not None
    token = issue(service).value
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "at+jwt"}
    issuer = service.settings.issuer
    validator = roomkey.TokenValidator(
        issuer=issuer, audience="orders-api", keys=roomkey.KeySet.static(secret), clock=clock
    )
    assert validator.validate(token).subject == "orders-api-client"
    options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    claims = jwt.decode(token, secret.reveal(), algorithms=["HS256"], audience="orders-api", options=options)
    assert claims["sub"] == "orders-api-client"
    make(service)
    other = issue(service).value
    with pytest.raises(roomkey.InvalidToken):
        validator.validate(other)


def test_the_secret_is_encrypted_and_for_its_own_api_only(service: Service) -> None:
    # auth service 53, 54
    add_api(service, "orders-api", algorithm="HS256")
    add_api(service, "stock-api", algorithm="HS256")
    secret = make(service).reveal()
    with service.unit_of_work(CONSOLE) as uow:
        kept = uow.connection.scalar(select(apis.c.shared_secret).where(apis.c.audience == "orders-api"))
        assert secret.encode() not in bytes(kept)
        uow.connection.execute(update(apis).where(apis.c.audience == "stock-api").values(shared_secret=kept))
        details = " ".join(uow.connection.scalars(select(audit_events.c.details)))
    assert secret not in details
    with pytest.raises(DatabaseUnsuitable, match="stock-api"):
        issue(service, "stock-api")


def test_the_api_of_another_tenant_is_not_found(service: Service) -> None:
    add_api(service, algorithm="HS256")
    with service.unit_of_work(CONSOLE) as uow:
        for name in ("acme", "globex"):
            uow.connection.execute(tenants.insert().values(name=name, created_at=uow.now))
        uow.connection.execute(update(apis).values(tenant="globex"))
    with pytest.raises(NotFound):
        make(service, "nothing")
    with pytest.raises(NotFound):
        make(service, actor=Actor(ActorKind.USER, "u", roles=frozenset({"administrator"}), tenant="acme"))
    with pytest.raises(NotAllowed):
        make(service, actor=Actor(ActorKind.USER, "u", roles=frozenset({"developer"}), tenant="globex"))


def test_the_signer_follows_format_and_algorithm(service: Service) -> None:
    with service.look(CONSOLE) as uow:
        keys = service.keys.load(uow)
        about = {"audience": "orders-api", "shared_secret": None}
        assert signer(keys, uow.keyring, token_format="opaque", algorithm="ES256", **about) is None
        assert signer(keys, uow.keyring, token_format="jwt", algorithm="ES256", **about) is keys.signing["ES256"]
        for algorithm in ("RS256", "HS256"):
            with pytest.raises(DatabaseUnsuitable, match=algorithm):
                signer(keys, uow.keyring, token_format="jwt", algorithm=algorithm, **about)


def test_a_shared_key_shows_nothing_and_is_not_short() -> None:
    assert repr(HMACKey(b"s" * 32)) == "HMACKey(HS256)"
    with pytest.raises(ConfigurationError, match="32 bytes"):
        HMACKey(b"s" * 31)
