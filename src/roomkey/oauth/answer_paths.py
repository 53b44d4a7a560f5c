"""Where in an answer the token and what belongs to it stand."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from roomkey.errors import ConfigurationError
from roomkey.http.messages import Response
from roomkey.jose import strict_json
from roomkey.oauth.endpoint_error import TokenEndpointError

_LARGEST_BODY = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPaths:
    """Declares an answer's shape: dotted paths into its JSON, such as ``data.token`` or ``tokens.0.value``.

    Parameters:
        access_token: path of the token; ignored where one of the next three says where it stands instead.
        token_header: name of a response header that is the token; a scheme such as ``Bearer`` before it is dropped.
        token_cookie: name of a cookie that is the token.
        whole_body: True where the body is the token, as plain text or as a JSON string.
        expires_in: path of a lifetime in seconds.
        expires_at: path of a date: ISO 8601 (without a zone it is UTC), or seconds or milliseconds since 1970.
        refresh_token: path of a refresh token.
        refresh_expires_in: path of its lifetime in seconds.
        scope: path of the granted scope.
        token_type: path of the token's type.
    """

    access_token: str = "access_token"  # noqa: S105 - a path
    token_header: str | None = None
    token_cookie: str | None = None
    whole_body: bool = False
    expires_in: str | None = "expires_in"
    expires_at: str | None = None
    refresh_token: str | None = "refresh_token"  # noqa: S105 - a path
    refresh_expires_in: str | None = "refresh_expires_in"
    scope: str | None = "scope"
    token_type: str | None = "token_type"  # noqa: S105 - a path

    def __post_init__(self) -> None:
        if sum((self.token_header is not None, self.token_cookie is not None, self.whole_body)) > 1:
            raise ConfigurationError("Declare one place for the token: token_header, token_cookie or whole_body.")
        if not self.access_token:
            raise ConfigurationError("access_token= is the path of the token in the answer and cannot be empty.")


class Members:
    """The parsed members of an answer; only paths lead into it."""

    __slots__ = ("_tree",)

    def __init__(self, tree: Any) -> None:
        self._tree = tree

    def at(self, path: str | None) -> Any:
        """The value at ``path``, or None where there is none."""
        value = self._tree
        for step in () if path is None else path.split("."):
            if isinstance(value, Mapping):
                value = value.get(step)
            elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            else:
                return None
        return None if path is None else value

    def __repr__(self) -> str:
        return "Members(…)"


def read_members(response: Response, *, required: bool = True) -> Members:
    """The members of a JSON or form-encoded body; raises TokenEndpointError, never with anything of the body in it."""
    kind = (response.header("content-type") or "").partition(";")[0].strip().lower()
    tree: Any
    if len(response.body) > _LARGEST_BODY:
        tree = ValueError
    elif kind == "application/x-www-form-urlencoded":
        tree = _form(response.body)
    else:
        tree = _json(response.body)
    if isinstance(tree, dict) or (not required and tree is not ValueError):
        return Members(tree if isinstance(tree, dict | list) else {})
    if not required:
        return Members({})
    raise TokenEndpointError(
        "malformed_response", "The answer is not a JSON object of at most 64 KiB.", status=response.status
    )


def read_text(response: Response) -> str:
    """A body that is the token itself: a JSON string, or plain text."""
    try:
        text = response.body.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return ""
    if text.startswith('"'):
        value = _json(response.body.strip())
        return value if isinstance(value, str) else ""
    return text


def read_cookie(response: Response, name: str) -> str:
    """The value of the cookie ``name``, or ""."""
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


def _json(body: bytes) -> Any:
    # Plain variables of a frame that raises would stand in a traceback; so ValueError is an answer here, not raised.
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=strict_json.unique_members,
            parse_constant=strict_json.no_constant,
        )
    except (ValueError, RecursionError):
        return ValueError
