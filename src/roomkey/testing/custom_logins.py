"""Login endpoints that are not OAuth, as real APIs have them: nested answers, bare strings, headers, dates."""

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from roomkey.testing.ledger import Grant, User, digest
from roomkey.testing.loopback import Answer, ReceivedRequest, json_answer
from roomkey.testing.token_endpoint import Authentication, TokenRequest

if TYPE_CHECKING:
    from roomkey.testing.issuer import Issuer

_PREFIX: Final = "/login/"


@dataclass(frozen=True, slots=True)
class Login:
    """One custom login: its path and what it answers."""

    path: str
    answer: Callable[["Issuer", ReceivedRequest], Answer]


def login_at(path: str) -> Login | None:
    """The custom login at ``path``, or None."""
    return LOGINS.get(path.removeprefix(_PREFIX)) if path.startswith(_PREFIX) else None


def record(request: ReceivedRequest) -> TokenRequest:
    """What the issuer's records keep of a custom login: names of members, no values but the user's name."""
    sent = _sent(request)
    how: Authentication = "headers" if "x-password" in dict(request.headers) else "body"
    if (request.header("authorization") or "").lower().startswith("bearer "):
        how = "bearer"
    parameters = tuple((name, value if name == "username" else "••••") for name, value in sent)
    spent = dict(sent).get("refreshToken")
    return TokenRequest(
        request.path, "custom_login", "", how, parameters, None if spent is None else digest(spent), request.arrived
    )


def _sent(request: ReceivedRequest) -> tuple[tuple[str, str], ...]:
    """Members of the JSON body, of the form or of the headers ``X-Username`` and ``X-Password``."""
    kind = (request.header("content-type") or "").partition(";")[0].strip()
    if kind == "application/json":
        try:
            members = json.loads(request.body)
        except ValueError:
            return ()
        return tuple((name, str(value)) for name, value in members.items()) if isinstance(members, dict) else ()
    if kind == "application/x-www-form-urlencoded":
        return tuple(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    names = {"x-username": "username", "x-password": "password"}
    return tuple((names[name], value) for name, value in request.headers if name in names)


def _user(issuer: "Issuer", request: ReceivedRequest) -> User | None:
    sent = dict(_sent(request))
    user = issuer.ledger.users.get(sent.get("username", ""))
    if user is None or not user.enabled:
        return None
    return user if hmac.compare_digest(user.password.encode(), sent.get("password", "").encode()) else None


def _tokens(issuer: "Issuer", subject: str) -> dict[str, object]:
    return issuer.token_members(Grant(issuer.client.client_id, subject, issuer.client.scope, (issuer.audience,)))


def _refused() -> Answer:
    return json_answer({"status": "error", "message": "unknown user or wrong password"}, 401)


def _nested(issuer: "Issuer", request: ReceivedRequest) -> Answer:
    """``{"status": "ok", "data": {"auth": {"token": …, "expiresIn": seconds, "refreshToken": …}}}``."""
    user = _user(issuer, request)
    return _refused() if user is None else _nested_answer(_tokens(issuer, user.username))


def _nested_answer(members: dict[str, object]) -> Answer:
    auth = {"token": members["access_token"], "expiresIn": members["expires_in"]}
    if "refresh_token" in members:
        auth["refreshToken"] = members["refresh_token"]
    return json_answer({"status": "ok", "data": {"auth": auth}})


def _nested_refresh(issuer: "Issuer", request: ReceivedRequest) -> Answer:
    """Takes ``{"refreshToken": …}`` and answers as ``nested`` does; a spent refresh token is refused."""
    with issuer.ledger.lock:
        token = issuer.ledger.refresh(dict(_sent(request)).get("refreshToken", ""))
        if token is None or (token.spent is not None and issuer.monotonic() - token.spent > issuer.reuse_grace):
            return _refused()
        if issuer.rotate_refresh_tokens and token.spent is None:
            token.spent = issuer.monotonic()
        return _nested_answer(issuer.token_members(token.grant, renewed=True))


def _bare(issuer: "Issuer", request: ReceivedRequest) -> Answer:
    """The token itself as text/plain; nothing says how long it lives (but a JWT's own ``exp``)."""
    user = _user(issuer, request)
    if user is None:
        return _refused()
    return Answer(200, str(_tokens(issuer, user.username)["access_token"]).encode(), [("content-type", "text/plain")])


def _quoted(issuer: "Issuer", request: ReceivedRequest) -> Answer:
    """The token as a bare JSON string."""
    user = _user(issuer, request)
    return _refused() if user is None else json_answer(_tokens(issuer, user.username)["access_token"])


def _header(issuer: "Issuer", request: ReceivedRequest) -> Answer:
    """204 with the headers ``X-Auth-Token`` and ``X-Auth-Expires-In`` (seconds)."""
    user = _user(issuer, request)
    if user is None:
        return _refused()
    members = _tokens(issuer, user.username)
    headers = [("x-auth-token", str(members["access_token"])), ("x-auth-expires-in", str(members["expires_in"]))]
    return Answer(204, b"", headers)


def _dated(issuer: "Issuer", request: ReceivedRequest) -> Answer:
    """``{"access": …, "validUntil": "2030-01-01T00:00:00+00:00"}`` by the issuer's clock."""
    user = _user(issuer, request)
    if user is None:
        return _refused()
    members = _tokens(issuer, user.username)
    end = datetime.fromtimestamp(issuer.wall(), UTC) + timedelta(seconds=float(str(members["expires_in"])))
    return json_answer({"access": members["access_token"], "validUntil": end.isoformat()})


def _service(issuer: "Issuer", request: ReceivedRequest) -> Answer:
    """Wants a live app token as Bearer and a user in the body: ``{"userToken": …, "expiresInSeconds": …}``."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not issuer.is_live(token):
        return json_answer({}, 401, ("www-authenticate", 'Bearer error="invalid_token"'))
    user = _user(issuer, request)
    if user is None:
        return _refused()
    members = _tokens(issuer, user.username)
    return json_answer({"userToken": members["access_token"], "expiresInSeconds": members["expires_in"]})


LOGINS: Final = {
    "nested": Login("/login/nested", _nested),
    "nested-refresh": Login("/login/nested-refresh", _nested_refresh),
    "bare": Login("/login/bare", _bare),
    "quoted": Login("/login/quoted", _quoted),
    "header": Login("/login/header", _header),
    "dated": Login("/login/dated", _dated),
    "service": Login("/login/service", _service),
}
