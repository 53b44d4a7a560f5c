"""A token endpoint's answer, parsed once, at the wall, into a value (RFC 6749 sections 5.1 and 5.2)."""

import math
import re
from datetime import UTC, datetime
from typing import Any, Final, final

from roomkey.http.headers import http_date, retry_after
from roomkey.http.messages import Response
from roomkey.jose.unverified import read_unverified
from roomkey.oauth.answer_paths import AnswerPaths, Members, read_cookie, read_members, read_text
from roomkey.oauth.endpoint_error import TokenEndpointError, plain_code
from roomkey.secret import Confidential

LONGEST_LIFETIME: Final = 366 * 86_400.0
_LONGEST_TOKEN: Final = 16_384
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?")
# Printable ASCII without spaces: what a header can carry as one word.
_TOKEN: Final = re.compile(r"[!-~]+")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,31}")


@final
class TokenAnswer(Confidential):
    """What an endpoint granted.

    Attributes:
        access_token: the token, one word of printable ASCII.
        token_type: the scheme to send it with.
        scope: what was granted, or None where the server did not say.
        lifetime: seconds that it lives; zero or less where it has ended already, infinite where no end is known.
        lifetime_from: ``expires_in``, ``expires_at``, ``jwt`` or ``default``.
        refresh_token: a new refresh token, or None.
        refresh_lifetime: seconds that the refresh token lives, or None.
        warnings: sentences about what was odd; nothing secret stands in them.
    """

    __slots__ = (
        "access_token",
        "lifetime",
        "lifetime_from",
        "refresh_lifetime",
        "refresh_token",
        "scope",
        "token_type",
        "warnings",
    )

    def __init__(
        self,
        access_token: str,
        *,
        token_type: str = "Bearer",  # noqa: S107 - a scheme
        scope: str | None = None,
        lifetime: float = math.inf,
        lifetime_from: str = "default",
        refresh_token: str | None = None,
        refresh_lifetime: float | None = None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self.access_token = access_token
        self.token_type = token_type
        self.scope = scope
        self.lifetime = lifetime
        self.lifetime_from = lifetime_from
        self.refresh_token = refresh_token
        self.refresh_lifetime = refresh_lifetime
        self.warnings = warnings

    def __repr__(self) -> str:
        return f"TokenAnswer({self.token_type}, lives {self.lifetime} s by {self.lifetime_from})"


def read_token_response(
    response: Response,
    *,
    wall: float,
    paths: AnswerPaths | None = None,
    default_lifetime: float = 300.0,
    scheme: str | None = None,
) -> TokenAnswer:
    """The token in ``response``, which arrived at second ``wall`` since 1970 on its server's clock.

    ``default_lifetime`` (seconds) counts where neither the answer nor the token tells one; ``scheme`` overrules the
    type that the server names. Raises TokenEndpointError for everything else than a token. Pure.
    """
    paths = AnswerPaths() if paths is None else paths
    if not 200 <= response.status < 300:
        raise refusal(response, wall=wall)
    in_body = not (paths.whole_body or paths.token_header or paths.token_cookie)
    members = Members({}) if paths.whole_body else read_members(response, required=in_body)
    if members.at("error") and in_body:
        raise refusal(response, wall=wall)
    token = checked_token(_token(response, members, paths), status=response.status)
    warnings: list[str] = []
    lifetime, lifetime_from = _lifetime(members, paths, token, wall, default_lifetime, warnings)
    refresh_token = members.at(paths.refresh_token)
    if refresh_token is not None and not (isinstance(refresh_token, str) and _is_word(refresh_token)):
        refresh_token = None
        warnings.append("the refresh token is not a word of printable ASCII and was ignored")
    scope = members.at(paths.scope)
    return TokenAnswer(
        token,
        token_type=scheme or _scheme(members.at(paths.token_type), warnings, response.status),
        scope=scope if isinstance(scope, str) and scope else None,
        lifetime=lifetime,
        lifetime_from=lifetime_from,
        refresh_token=refresh_token or None,
        refresh_lifetime=_seconds(members.at(paths.refresh_expires_in)),
        warnings=tuple(warnings),
    )


def refusal(response: Response, *, wall: float) -> TokenEndpointError:
    """The error that ``response`` stands for; of its body only a plain error code is kept."""
    try:
        error = plain_code(read_members(response).at("error"))
    except TokenEndpointError:
        error = None
    if response.status >= 500 or response.status == 429:
        error = None  # a server in trouble, or the gateway before it, says nothing of the client, whatever it writes
    if 300 <= response.status < 400:
        error = "unexpected_redirect"
    elif error is None:
        # A 403 without an OAuth error may be a gateway's, and gateways change their minds.
        error = {401: "invalid_client", 403: "forbidden", 429: "rate_limited"}.get(response.status)
    if error is None:
        error = "server_error" if response.status >= 500 else "malformed_response"
    detail = "A redirect of a token endpoint is never followed; configure the final address."
    return TokenEndpointError(
        error,
        detail if error == "unexpected_redirect" else "",
        status=response.status,
        retry_after=retry_after(response, wall=wall),
    )


def checked_token(value: object, *, status: int | None) -> str:
    """``value`` where a header can carry it as one word; raises TokenEndpointError otherwise (RFC 6750 section 2.1)."""
    if isinstance(value, str) and _is_word(value):
        return value
    raise TokenEndpointError(
        "malformed_response",
        "The answer holds no access token of printable ASCII without spaces, up to 16 KiB.",
        status=status,
    )


def _is_word(value: str) -> bool:
    return len(value) <= _LONGEST_TOKEN and _TOKEN.fullmatch(value) is not None


def _token(response: Response, members: Members, paths: AnswerPaths) -> object:
    if paths.whole_body:
        return read_text(response)
    if paths.token_header is not None:
        value = (response.header(paths.token_header) or "").strip()
        return value.rpartition(" ")[2]
    if paths.token_cookie is not None:
        return read_cookie(response, paths.token_cookie)
    return members.at(paths.access_token)


def _scheme(named: object, warnings: list[str], status: int) -> str:
    """``Bearer`` unless the server names a scheme that needs more than a token."""
    if not isinstance(named, str) or not named:
        return "Bearer"
    if named.lower() in {"dpop", "mac", "pop"}:
        raise TokenEndpointError(
            "unsupported_token_type",
            f"The token is bound to a key ({named.lower()}), and this source has none; ask for a bearer token.",
            status=status,
        )
    if named.lower() not in {"bearer", "jwt", "n_a"} and len(warnings) < 8:
        warnings.append("its token type is not Bearer; it is sent as Bearer (scheme= of CustomLogin changes that)")
    return "Bearer"


def _lifetime(
    members: Members, paths: AnswerPaths, token: str, wall: float, default: float, warnings: list[str]
) -> tuple[float, str]:
    for name, path, read in (("expires_in", paths.expires_in, _seconds), ("expires_at", paths.expires_at, _date)):
        given = members.at(path)
        if given is None:
            continue
        value = read(given)
        if value is not None:
            return min(value if name == "expires_in" else value - wall, LONGEST_LIFETIME), name
        warnings.append(f"its {name} is not usable and was ignored")
    lifetime = _jwt_lifetime(token)
    if lifetime is not None:
        return min(lifetime, LONGEST_LIFETIME), "jwt"
    warnings.append(f"it does not say how long the token lives; {default:.0f} s are assumed")
    return default, "default"


def _jwt_lifetime(token: str) -> float | None:
    # exp alone would be judged by this machine's clock, which may be wrong; the difference is not.
    jwt = read_unverified(token)
    if jwt is None:
        return None
    ends, issued = _seconds(jwt.claims.get("exp")), _seconds(jwt.claims.get("iat"))
    return None if ends is None or issued is None else ends - issued


def _seconds(value: Any) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def _date(value: Any) -> float | None:
    seconds = _seconds(value)
    if seconds is not None:
        return seconds / 1000.0 if abs(seconds) >= 1e11 else seconds
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return http_date(value)
