import httpx2
import pytest


@pytest.fixture
def http():
    with httpx2.Client(timeout=5.0) as client:
        yield client


@pytest.fixture
def ask(http):
    """Sends a form to an issuer's token endpoint, with the client's credentials in it (client_secret_post)."""

    def post(issuer, *, grant_type="client_credentials", **form):
        credentials = {"client_id": "reports", "client_secret": issuer.client.client_secret}
        sent = credentials | {"grant_type": grant_type} | form
        return http.post(issuer.token_endpoint, data={name: value for name, value in sent.items() if value is not None})

    return post


@pytest.fixture
def sign_in(ask):
    """Signs the user in at an issuer and returns the members of the answer."""

    def post(issuer):
        return ask(issuer, grant_type="password", username="alice", password=issuer.user.password).json()

    return post
