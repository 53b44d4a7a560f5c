"""Where the pages of the sign-in are."""

from typing import Final

from starlette.routing import Route

from roomkey.authorization_server.backoffice.session import Endpoint
from roomkey.authorization_server.backoffice.sign_in import account, enrol, entry, setup


def _get(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["GET"])


def _post(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["POST"])


ROUTES: Final = (
    _get("/sign-in", entry.show),
    _post("/sign-in", entry.enter),
    _get("/sign-in/second-factor", entry.show_second_factor),
    _post("/sign-in/second-factor", entry.enter_code),
    _post("/sign-in/passkey/options", entry.passkey_options),
    _post("/sign-in/passkey", entry.enter_passkey),
    _get("/sign-in/enrol", enrol.show),
    _post("/sign-in/enrol", enrol.confirm),
    _post("/sign-in/enrol/passkey/options", enrol.passkey_options),
    _post("/sign-in/enrol/passkey", enrol.take_passkey),
    _post("/sign-out", entry.leave),
    _get("/setup", setup.show),
    _post("/setup", setup.make),
    _get("/account", account.show),
    _get("/account/confirm", account.show_confirm),
    _post("/account/confirm", account.confirm),
    _post("/account/password", account.change_password),
    _get("/account/totp", account.show_totp),
    _post("/account/totp", account.confirm_totp),
    _post("/account/totp/begin", account.begin_totp),
    _post("/account/totp/remove", account.remove_totp),
    _post("/account/passkeys", account.take_passkey),
    _post("/account/passkeys/options", account.passkey_options),
    _post("/account/passkeys/remove", account.remove_passkey),
    _get("/account/recovery-codes", account.show_recovery_codes),
    _post("/account/recovery-codes", account.renew_recovery_codes),
    _post("/account/sessions/end", account.end_own_session),
)
