"""Forms: the fields that a browser posts (url-encoded, UTF-8, bounded), and the questions that a page asks."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from roomkey.authorization_server.errors import Invalid

_LARGEST: Final = 65_536  # bytes
_MOST_FIELDS: Final = 200
_LONGEST_NUMBER: Final = 10
_TYPE: Final = "application/x-www-form-urlencoded"
_OVERLAPS: Final = (
    ("0", "No overlap", "The old one expires now."),
    ("3600", "1 hour", ""),
    ("86400", "1 day", ""),
    ("604800", "7 days", ""),
)


@dataclass(frozen=True, slots=True)
class PostedForm:
    """The fields of one form, in their order; a page takes those that it names and ignores the others."""

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
        """All values that were sent as ``name``, such as check boxes."""
        return tuple(value for sent, value in self.fields if sent == name)


async def read_form(request: Request) -> PostedForm:
    """The form in the body of ``request``; raises Invalid for more than 64 KiB, more than 200 fields or bad encoding.

    A body of another content type is an empty form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        return PostedForm()
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
        raise Invalid("The form is not url-encoded UTF-8.") from None
    return PostedForm(tuple(pairs))


@dataclass(frozen=True, slots=True)
class Choice:
    """Radio buttons named ``name``; ``options`` are values, labels and hints."""

    name: str
    label: str
    hint: str
    options: tuple[tuple[str, str, str], ...]
    chosen: str


OVERLAP: Final = Choice(
    "overlap", "How long are both valid?", "Long enough to deploy the new one everywhere.", _OVERLAPS, "86400"
)
"""How long a secret or token that is rotated stays valid beside its successor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A question before an act that breaks something.

    Attributes:
        title: the question.
        crumbs: labels and URLs of the pages above.
        breaks: the consequences, in sentences.
        label: of the button.
        back: URL of the page for those who cancel.
        command: the same act on the command line.
        danger: True where the act cannot be undone.
        choice: a choice that goes with it.
        note: name and label of an optional text field.
    """

    title: str
    crumbs: tuple[tuple[str, str], ...]
    breaks: tuple[str, ...]
    label: str
    back: str
    command: str
    danger: bool = True
    choice: Choice | None = None
    note: tuple[str, str] | None = None
