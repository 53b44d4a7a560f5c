"""The response of a token endpoint, parsed once into a value (RFC 6749 sections 5.1 and 5.2; pure)."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, final
from urllib.parse import parse_qsl

from roomkey.errors import RoomkeyError
from roomkey.http.messages import Response, http_date, retry_after
from roomkey.jose import strict_json
from roomkey.jose.compact import read_unverified
from roomkey.oauth.answer_paths import STANDARD_PATHS, AnswerPaths
from roomkey.secret import Confidential

LONGEST_LIFETIME: Final = 366 * 86_400.0
_LARGEST_BODY: Final = 65_536
_LONGEST_TOKEN: Final = 16_384
_LONGEST_DESCRIPTION: Final = 200
_LONGEST_WORD: Final = 60
_PERMANENT: Final = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
_ERROR_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?")
# Printable ASCII without spaces: what a header can carry as one word.
_TOKEN: Final = re.compile(r"[!-~]+")


class TokenEndpointError(RoomkeyError):
    """The endpoint answered, but with no token; of the body it holds a plain error code and its description alone.

    Attributes:
        error: the OAuth error code (RFC 6749 section 5.2) or a word of roomkey's, such as ``malformed_response``.
        status: the HTTP status, or None.
        permanent: True where the same request will be rejected again.
        rejects: True where it is the server's verdict, in whatever words; False for an outage or a redirect.
        retry_after: seconds that the server asks to wait, or None.
        description: the server's ``error_description``, printable and short, or "".
        url: the address that was asked, or "" where it was not the token endpoint.
    """

    code = "token_endpoint"

    def __init__(
        self,
        error: str,
        detail: str = "",
        *,
        status: int | None = None,
        retry_after: float | None = None,
        description: str = "",
    ) -> None:
        super().__init__(detail or f"The token endpoint answered {error}.")
        self.error = error
        self.status = status
        self.permanent = error in _PERMANENT
        self.rejects = status is not None and status < 500 and status != 429 and not 300 <= status < 400
        self.retry_after = retry_after
        self.description = description
        self.url = ""


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TokenResponse(Confidential):
    """A token that an endpoint granted.

    Attributes:
        access_token: the token, one word of printable ASCII.
        token_type: the scheme to send it with.
        scope: what was granted, or None where the server did not say.
        lifetime: seconds until it expires; zero or less where it has expired, infinite where no expiry is known.
        lifetime_from: ``expires_in``, ``expires_at``, ``jwt`` or ``default``.
        refresh_token: a new refresh token, or None.
        refresh_lifetime: seconds until the refresh token expires, or None.
        warnings: sentences about what was odd; nothing secret stands in them.
    """

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a scheme
    scope: str | None = None
    lifetime: float = math.inf
    lifetime_from: str = "default"
    refresh_token: str | None = None
    refresh_lifetime: float | None = None
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"TokenResponse({self.token_type}, {self.lifetime} s by {self.lifetime_from})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ResponseFields(Confidential):
    """The parsed body of a response; only paths lead into it."""

    tree: Any

    def at(self, path: str | None) -> Any:
        """The value at the dotted ``path``, or None where there is none."""
        if path is None:
            return None
        value = self.tree
        for step in path.split("."):
            if isinstance(value, Mapping):
                value = value.get(step)
            elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            else:
                return None
        return value

    def __repr__(self) -> str:
        return "ResponseFields(…)"


def read_fields(response: Response, *, required: bool = True) -> ResponseFields:
    """The fields of a JSON or form-encoded body; raises TokenEndpointError, never with anything of the body in it."""
    kind = (response.header("content-type") or "").partition(";")[0].strip().lower()
    tree: Any
    if len(response.body) > _LARGEST_BODY:
        tree = ValueError
    elif kind == "application/x-www-form-urlencoded":
        tree = _form(response.body)
    else:
        tree = strict_json.read_value(response.body)
    if isinstance(tree, dict) or (not required and isinstance(tree, list)):
        return ResponseFields(tree)
    if not required:
        return ResponseFields({})
    raise TokenEndpointError(
        "malformed_response", "The response is not a JSON object of at most 64 KiB.", status=response.status
    )


def read_token_response(
    response: Response,
    *,
    wall: float,
    paths: AnswerPaths = STANDARD_PATHS,
    default_lifetime: float = 300.0,
    scheme: str | None = None,
) -> TokenResponse:
    """The token in ``response``, which arrived at second ``wall`` since 1970 on its server's clock.

    ``default_lifetime`` (seconds) counts where neither the response nor the token names one; ``scheme`` overrules the
    type that the server names. Raises TokenEndpointError for everything else than a token. Pure.
    """
    if not 200 <= response.status < 300:
        raise endpoint_error(response, wall=wall)
    in_body = not (paths.whole_body or paths.token_header or paths.token_cookie)
    fields = ResponseFields({}) if paths.whole_body else read_fields(response, required=in_body)
    if fields.at("error") and in_body:
        raise endpoint_error(response, wall=wall)
    token = checked_token(_token(response, fields, paths), status=response.status)
    warnings: list[str] = []
    lifetime, lifetime_from = _lifetime(fields, paths, token, wall, default_lifetime, warnings)
    refresh_token = fields.at(paths.refresh_token)
    if refresh_token is not None and not (isinstance(refresh_token, str) and _is_word(refresh_token)):
        refresh_token = None
        warnings.append("the refresh token is not a word of printable ASCII and was ignored")
    scope = fields.at(paths.scope)
    return TokenResponse(
        token,
        token_type=scheme or _scheme(fields.at(paths.token_type), warnings, response.status),
        scope=scope if isinstance(scope, str) and scope else None,
        lifetime=lifetime,
        lifetime_from=lifetime_from,
        refresh_token=refresh_token or None,
        refresh_lifetime=_seconds(fields.at(paths.refresh_expires_in)),
        warnings=tuple(warnings),
    )


def endpoint_error(response: Response, *, wall: float) -> TokenEndpointError:
    """The error that ``response`` is; of its body only a plain error code and its description are kept."""
    try:
        fields = read_fields(response)
    except TokenEndpointError:
        fields = ResponseFields({})
    named, described = fields.at("error"), fields.at("error_description")
    # Only a code of letters, digits and "_.-" may be shown.
    error = named if isinstance(named, str) and _ERROR_CODE.fullmatch(named) else None
    if response.status >= 500 or response.status == 429:
        error = None  # a server in trouble, or the gateway before it, says nothing about the client, whatever it writes
    if 300 <= response.status < 400:
        error = "unexpected_redirect"
    elif error is None:
        # Without an OAuth error it may be a gateway's, and gateways change their minds.
        error = {401: "unauthorized", 403: "forbidden", 429: "rate_limited"}.get(response.status)
    if error is None:
        error = "server_error" if response.status >= 500 else "malformed_response"
    detail = "A redirect of a token endpoint is never followed; configure the final URL."
    return TokenEndpointError(
        error,
        detail if error == "unexpected_redirect" else "",
        status=response.status,
        retry_after=retry_after(response, wall=wall),
        description=printable(described) if isinstance(described, str) else "",
    )


def printable(text: str) -> str:
    """``text`` of a server as it may be shown: printable ASCII, 200 characters, without words that may be tokens."""
    words = "".join(one if " " <= one <= "~" else " " for one in text[:_LONGEST_DESCRIPTION]).split()
    return " ".join(word if len(word) <= _LONGEST_WORD else "..." for word in words)


def checked_token(value: object, *, status: int | None) -> str:
    """``value`` where a header can carry it as one word; raises TokenEndpointError otherwise (RFC 6750 section 2.1)."""
    if isinstance(value, str) and _is_word(value):
        return value
    raise TokenEndpointError(
        "malformed_response",
        "The response holds no access token of printable ASCII without spaces, up to 16 KiB.",
        status=status,
    )


def _is_word(value: str) -> bool:
    return len(value) <= _LONGEST_TOKEN and _TOKEN.fullmatch(value) is not None


def _token(response: Response, fields: ResponseFields, paths: AnswerPaths) -> object:
    if paths.whole_body:
        return _text(response)
    if paths.token_header is not None:
        value = (response.header(paths.token_header) or "").strip()
        return value.rpartition(" ")[2]
    if paths.token_cookie is not None:
        return _cookie(response, paths.token_cookie)
    return fields.at(paths.access_token)


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
    fields: ResponseFields, paths: AnswerPaths, token: str, wall: float, default: float, warnings: list[str]
) -> tuple[float, str]:
    for name, path, read in (("expires_in", paths.expires_in, _seconds), ("expires_at", paths.expires_at, _date)):
        given = fields.at(path)
        if given is None:
            continue
        value = read(given)
        if value == 0.0:
            # Some providers mean "without an end"; a token that ends as it comes would be of no use to anybody.
            warnings.append(f"its {name} is 0, which is taken for not stated")
        elif value is not None:
            own = _jwt_lifetime(token)
            stated = value if name == "expires_in" else value - wall
            return min(stated, LONGEST_LIFETIME if own is None or own <= 0.0 else own, LONGEST_LIFETIME), name
        else:
            warnings.append(f"its {name} is not usable and was ignored")
    lifetime = _jwt_lifetime(token)
    if lifetime is not None:
        return min(lifetime, LONGEST_LIFETIME), "jwt"
    warnings.append(f"it does not say how long the token is valid; {default:.0f} s are assumed")
    return default, "default"


def _jwt_lifetime(token: str) -> float | None:
    # exp alone would be compared with this machine's clock, which may be wrong; the difference is not.
    jwt = read_unverified(token)
    if jwt is None:
        return None
    expires, issued = _seconds(jwt.claims.get("exp")), _seconds(jwt.claims.get("iat"))
    return None if expires is None or issued is None else expires - issued


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


def _text(response: Response) -> str:
    """A body that is the token itself: a JSON string, or a plain one."""
    try:
        text = response.body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return ""
    if text.startswith('"'):
        value = strict_json.read_value(response.body.strip())
        return value if isinstance(value, str) else ""
    return text


def _cookie(response: Response, name: str) -> str:
    from http.cookies import CookieError, SimpleCookie  # slow to import, and seldom needed

    for key, value in response.headers:
        if key.lower() == "set-cookie":
            jar: SimpleCookie = SimpleCookie()
            try:
                jar.load(value)
            except CookieError:
                continue
            if name in jar:
                return jar[name].value
    return ""


def _form(body: bytes) -> Any:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=100)
    except ValueError:
        return ValueError
    return dict(pairs) if len(dict(pairs)) == len(pairs) else ValueError
