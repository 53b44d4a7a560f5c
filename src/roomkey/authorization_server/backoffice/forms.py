"""What a browser's form has sent: url-encoded, UTF-8, of a size that a form has; nothing else is read."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from roomkey.authorization_server.errors import Invalid

_LARGEST: Final = 65_536  # bytes
_MOST_FIELDS: Final = 200
_LONGEST_NUMBER: Final = 10
_TYPE: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of one form, in their order; a page takes those that it names, and no others reach anything."""

    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def one(self, name: str) -> str:
        """The field ``name``, empty where it was not sent; raises Invalid where it was sent twice."""
        values = self.many(name)
        if len(values) > 1:
            raise Invalid(f"The field {name} was sent twice.", field=name)
        return values[0] if values else ""

    def seconds(self, name: str) -> int:
        """The field ``name`` as whole seconds; raises Invalid where it is no number."""
        value = self.one(name)
        if not (value.isascii() and value.isdecimal() and len(value) <= _LONGEST_NUMBER):
            raise Invalid("Choose one of the times.", field=name)
        return int(value)

    def many(self, name: str) -> tuple[str, ...]:
        """Everything that was sent as ``name``, such as boxes that are ticked."""
        return tuple(value for sent, value in self.fields if sent == name)


async def read_form(request: Request) -> Form:
    """The form in the body of ``request``; raises Invalid for another type, more than 64 KiB or 200 fields."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        return Form()  # a post of nothing; what needs a field does not find it
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST:
            raise Invalid("The form is larger than 64 KiB.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise Invalid("The form is not what a browser sends.") from None
    return Form(tuple(pairs))
