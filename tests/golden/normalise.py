"""Replace what differs from run to run (ids, secrets, times, addresses) by placeholders, and lay out JSON."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Final

import roomkey

WIDTH: Final = 100
_EARLIEST: Final = 1_500_000_000  # no number that roomkey prints is this large, unless it is a time
_TIME_CLAIMS: Final = ("iat", "nbf", "exp")
_JWT: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_ID: Final = re.compile(r"\b([a-z]{3})_[a-z0-9]{16}\b")
_SECRET: Final = re.compile(r"\b(rk[a-z]{2}_)[0-9A-Za-z]{49}\b")
_STORE_KEY: Final = re.compile(r"\b(?:[0-9a-f]{12}|[0-9a-f]{8})\b")
_HINT: Final = re.compile(r"\b(rk[a-z]{2}_|eyJ)…[\w-]{4}")
_VARYING: Final = frozenset(
    {
        *("jti", "sid", "bytes", "size", "number", "after", "fingerprint"),
        *("x-request-id", "etag", "if-none-match", "last-modified"),
        *("x", "y", "n"),  # the public part of a key
        "lst",  # the bits of a status list, compressed
    }
)


class Normaliser:
    """One file's placeholders: the same id has the same number throughout the file.

    ``known`` are strings of this run, such as the issuer's URL, by their placeholder.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = sorted(known.items(), key=lambda item: -len(item[1]))
        self._ids: dict[str, str] = {}

    def text(self, text: str) -> str:
        """``text`` with placeholders."""
        for placeholder, value in self._known:
            text = text.replace(value, f"<{placeholder}>")
        text = _JWT.sub("<jwt>", text)
        text = _SECRET.sub(r"<\1 secret>", text)
        text = _HINT.sub(r"<\1 hint>", text)
        text = _ID.sub(lambda found: self._placeholder(found[0], found[1]), text)
        text = _STORE_KEY.sub(lambda found: self._placeholder(found[0], f"hex{len(found[0])}"), text)
        text = re.sub(r"\bin \d+ s\b", "in <seconds> s", text)
        return re.sub(rf"\b{re.escape(roomkey.__version__)}\b(?!\.\d)", "<version>", text)

    def value(self, value: Any, name: str = "") -> Any:
        """A JSON value with placeholders; a JWT is replaced by its header and claims."""
        if name in _VARYING and isinstance(value, str | int | float) and not isinstance(value, bool):
            return f"<{name}>"
        if name == "jti" and isinstance(value, dict):  # the revoked tokens of a deny list
            return f"<{len(value)} ids with times>"
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            named = all(isinstance(item, dict) and item.keys() & {"id", "kid"} for item in value)
            return [self.value(item) for item in (sorted(value, key=self._order) if named else value)]
        if isinstance(value, str):
            return self.value(_decoded(value)) if _JWT.fullmatch(value) else self.text(value)
        if isinstance(value, int | float) and value > _EARLIEST:
            return "<time>"
        if isinstance(value, float):  # a duration that goes by while the command runs
            return "<seconds>"
        return value

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        issued = value.get("iat")
        if isinstance(issued, int):
            times = {name: value[name] - issued for name in _TIME_CLAIMS if isinstance(value.get(name), int)}
            value = value | {name: f"<iat + {after}>" if after else "<iat>" for name, after in times.items()}
        # In the order of the names, so that the numbers of ids do not depend on the order in the document.
        return {self.text(name): self.value(value[name], name) for name in sorted(value)}

    def _order(self, item: dict[str, Any]) -> str:
        """A key to sort by that does not depend on random ids: what was made within one second has no other order."""
        other = Normaliser(dict(self._known))
        other._ids = dict(self._ids)
        return laid_out(other.value(item))

    def _placeholder(self, found: str, kind: str) -> str:
        count = sum(placeholder.startswith(f"<{kind}-") for placeholder in self._ids.values())
        return self._ids.setdefault(found, f"<{kind}-{count + 1}>")


def _decoded(token: str) -> dict[str, Any]:
    header, claims, _ = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
    return {"<jwt>": {"header": json.loads(header), "claims": json.loads(claims)}}


def laid_out(value: Any, indent: int = 0) -> str:
    """``value`` as JSON: sorted, indented, and what fits into a line on one line."""
    line = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if len(line) + indent <= WIDTH or not value or not isinstance(value, dict | list):
        return line
    inner, pad = indent + 2, " " * (indent + 2)
    if isinstance(value, dict):
        items = [
            f"{pad}{json.dumps(name, ensure_ascii=False)}: {laid_out(value[name], inner)}" for name in sorted(value)
        ]
        return "{\n" + ",\n".join(items) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + laid_out(item, inner) for item in value) + "\n" + " " * indent + "]"
