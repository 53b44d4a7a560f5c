"""The password grant: off unless it is switched on for a client (RFC 6749 section 4.3).

The token names the user (``sub``, ``username``) and the client that acts (``client_id``).
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


async def password(request: TokenRequest) -> bytes:
    """Return the response with an access token for the user, and a refresh token where the client may refresh."""
    client, form = request.client, request.form
    requested = read_scope(form)
    access = choose_access(client, form, requested)
    attempt = SignInAttempt(form.required("username"), form.required("password"), request.address)

    def issue(uow: UnitOfWork, user: User) -> bytes | None:
        require_config_version(uow.connection, client.config_version)
        if user.must_enrol or (user.has_second_factor and not client.allows_password_with_mfa):
            return None
        return issue_tokens_for_user(uow, client, access, requested, user_id=user.id)

    response = await sign_in(request.service, request.hashing, attempt, issue)
    if response is None:  # the same error for every reason: it confirms no password and no second factor
        raise OAuthError("invalid_grant", "The sign-in failed.")
    return response
