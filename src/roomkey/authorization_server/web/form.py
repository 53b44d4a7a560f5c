"""Strict form parsing: UTF-8, every parameter once, at most 64 of them (RFC 6749 section 3.2; pure)."""

from typing import Final
from urllib.parse import unquote_to_bytes

from roomkey.authorization_server.web.oauth_error import invalid_request
from roomkey.secret import Confidential

MAX_BODY_BYTES: Final = 65_536
_MAX_PARAMETERS: Final = 64
_MEDIA_TYPE: Final = b"application/x-www-form-urlencoded"


class Form(Confidential):
    """The parameters of one request; its repr shows their names only."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def optional(self, name: str) -> str | None:
        """Return the value of ``name``, or None where it is absent or empty (RFC 6749 section 3.2)."""
        return self._values.get(name) or None

    def required(self, name: str) -> str:
        """Return the value of ``name``; raises OAuthError where it is absent or empty."""
        value = self._values.get(name)
        if not value:
            raise invalid_request(f"The parameter {name} is missing.")
        return value

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __repr__(self) -> str:
        return f"Form({', '.join(sorted(self._values))})"


def parse_form(body: bytes, content_type: bytes) -> Form:
    """Return the form in ``body``; raises OAuthError for another media type, a repeated parameter, or invalid UTF-8."""
    if content_type != _MEDIA_TYPE and content_type.partition(b";")[0].strip().lower() != _MEDIA_TYPE:
        raise invalid_request("The body must be application/x-www-form-urlencoded.")
    values = _parse(body)
    if isinstance(values, str):
        raise invalid_request(values)
    return Form(values)


def _parse(body: bytes) -> dict[str, str] | str:
    if body.count(b"&") >= _MAX_PARAMETERS:
        return f"The body must have at most {_MAX_PARAMETERS} parameters."
    values: dict[str, str] = {}
    try:
        for pair in body.decode("utf-8").split("&"):
            if not pair:
                continue
            name, _, value = pair.partition("=")
            if "%" in pair or "+" in pair:
                name, value = _decode(name), _decode(value)
            if name in values:
                return "A parameter is repeated; send each one once."
            values[name] = value
    except UnicodeDecodeError:
        return "The parameters must be UTF-8."
    return values


def _decode(value: str) -> str:
    return unquote_to_bytes(value.replace("+", " ")).decode("utf-8")
