"""Login endpoints that are not OAuth, as real APIs have them: nested responses, bare strings, headers, dates."""

import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

from roomkey.testing import Issuer, LoopbackRequest, LoopbackResponse, RecordedTokenRequest
from roomkey.testing.ledger import Authorization, RegisteredUser, digest
from roomkey.testing.loopback import json_response

Login = Callable[[Issuer, LoopbackRequest], LoopbackResponse]


def record(request: LoopbackRequest) -> RecordedTokenRequest:
    """What the issuer's records keep of a custom login: names of members, no values but the user's name."""
    sent = _sent(request)
    how = "headers" if "x-password" in dict(request.headers) else "body"
    if (request.header("authorization") or "").lower().startswith("bearer "):
        how = "bearer"
    parameters = tuple((name, value if name == "username" else "••••") for name, value in sent)
    spent = dict(sent).get("refreshToken")
    return RecordedTokenRequest(
        request.path, "custom_login", "", how, parameters, None if spent is None else digest(spent), request.arrived
    )


def _sent(request: LoopbackRequest) -> tuple[tuple[str, str], ...]:
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


def _user(issuer: Issuer, request: LoopbackRequest) -> RegisteredUser | None:
    sent = dict(_sent(request))
    user = issuer.ledger.users.get(sent.get("username", ""))
    if user is None or not user.enabled:
        return None
    return user if hmac.compare_digest(user.password.encode(), sent.get("password", "").encode()) else None


def _tokens(issuer: Issuer, subject: str) -> dict[str, object]:
    return issuer.token_members(
        Authorization(issuer.client.client_id, subject, issuer.client.scope, (issuer.audience,))
    )


def _rejected() -> LoopbackResponse:
    return json_response({"status": "error", "message": "unknown user or wrong password"}, 401)


def _nested(issuer: Issuer, request: LoopbackRequest) -> LoopbackResponse:
    """``{"status": "ok", "data": {"auth": {"token": …, "expiresIn": seconds, "refreshToken": …}}}``."""
    user = _user(issuer, request)
    return _rejected() if user is None else _nested_answer(_tokens(issuer, user.username))


def _nested_answer(members: dict[str, object]) -> LoopbackResponse:
    auth = {"token": members["access_token"], "expiresIn": members["expires_in"]}
    if "refresh_token" in members:
        auth["refreshToken"] = members["refresh_token"]
    return json_response({"status": "ok", "data": {"auth": auth}})


def _nested_refresh(issuer: Issuer, request: LoopbackRequest) -> LoopbackResponse:
    """Takes ``{"refreshToken": …}`` and answers as ``nested`` does; a spent refresh token is refused."""
    with issuer.ledger.lock:
        token = issuer.ledger.refresh(dict(_sent(request)).get("refreshToken", ""))
        if token is None or not issuer.use_refresh_token(token):
            return _rejected()
        return _nested_answer(issuer.token_members(token.authorization, renewed=True))


def _bare(issuer: Issuer, request: LoopbackRequest) -> LoopbackResponse:
    """The token itself as text/plain; nothing says how long it lives (but a JWT's own ``exp``)."""
    user = _user(issuer, request)
    if user is None:
        return _rejected()
    return LoopbackResponse(
        200, str(_tokens(issuer, user.username)["access_token"]).encode(), [("content-type", "text/plain")]
    )


def _quoted(issuer: Issuer, request: LoopbackRequest) -> LoopbackResponse:
    """The token as a bare JSON string."""
    user = _user(issuer, request)
    return _rejected() if user is None else json_response(_tokens(issuer, user.username)["access_token"])


def _header(issuer: Issuer, request: LoopbackRequest) -> LoopbackResponse:
    """204 with the headers ``X-Auth-Token`` and ``X-Auth-Expires-In`` (seconds)."""
    user = _user(issuer, request)
    if user is None:
        return _rejected()
    members = _tokens(issuer, user.username)
    headers = [("x-auth-token", str(members["access_token"])), ("x-auth-expires-in", str(members["expires_in"]))]
    return LoopbackResponse(204, b"", headers)


def _dated(issuer: Issuer, request: LoopbackRequest) -> LoopbackResponse:
    """``{"access": …, "validUntil": "2030-01-01T00:00:00+00:00"}`` by the issuer's clock."""
    user = _user(issuer, request)
    if user is None:
        return _rejected()
    members = _tokens(issuer, user.username)
    end = datetime.fromtimestamp(issuer.wall(), UTC) + timedelta(seconds=float(str(members["expires_in"])))
    return json_response({"access": members["access_token"], "validUntil": end.isoformat()})


def _service(issuer: Issuer, request: LoopbackRequest) -> LoopbackResponse:
    """Wants a live app token as Bearer and a user in the body: ``{"userToken": …, "expiresInSeconds": …}``."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not issuer.is_live(token):
        return json_response({}, 401, ("www-authenticate", 'Bearer error="invalid_token"'))
    user = _user(issuer, request)
    if user is None:
        return _rejected()
    members = _tokens(issuer, user.username)
    return json_response({"userToken": members["access_token"], "expiresInSeconds": members["expires_in"]})


LOGINS: Final[dict[str, Login]] = {
    "/login/nested": _nested,
    "/login/nested-refresh": _nested_refresh,
    "/login/bare": _bare,
    "/login/quoted": _quoted,
    "/login/header": _header,
    "/login/dated": _dated,
    "/login/service": _service,
}
