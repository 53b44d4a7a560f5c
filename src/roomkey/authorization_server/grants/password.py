"""The grant of a person whose app asks for the password itself: off unless switched on for it (RFC 6749 section 4.3).

The token says who the person is (``sub``, ``username``) and which app acts (``client_id``).
"""

from roomkey.authorization_server.clients.client_cache import require_config_version
from roomkey.authorization_server.grants.issue_for_user import issue_tokens_for_user
from roomkey.authorization_server.grants.scope import choose_access, read_scope
from roomkey.authorization_server.grants.token_request import TokenRequest
from roomkey.authorization_server.identity.password_login import SignInAttempt, sign_in
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.oauth_error import OAuthError

NAME = "password"


async def password(exchange: TokenRequest) -> bytes:
    """The answer with an access token for the person, and a refresh token where the client may refresh."""
    client, form = exchange.client, exchange.form
    asked = read_scope(form)
    access = choose_access(client, form, asked)
    attempt = SignInAttempt(form.required("username"), form.required("password"), exchange.address)

    def issue(uow: UnitOfWork, user: User) -> bytes | None:
        require_config_version(uow.connection, client.config_version)
        if user.must_enrol or (user.has_second_factor and not client.allows_password_with_mfa):
            return None
        return issue_tokens_for_user(uow, client, access, asked, user_id=user.id)

    answer = await sign_in(exchange.service, exchange.hashing, attempt, issue)
    if answer is None:  # nobody learns from here whose password it was, or that there is a second factor
        raise OAuthError("invalid_grant", "The sign-in failed.")
    return answer
