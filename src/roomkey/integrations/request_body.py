"""Request bodies that can be sent a second time, byte for byte: never empty, never from the wrong place (client 41)."""

from collections.abc import Sequence
from typing import Any, final


@final
class Body:
    """A streamed request body, and where its files stood before it was sent for the first time.

    Reads positions when it is made; reads no content. For one request, used by one thread or task at a time.
    """

    __slots__ = ("_files", "_stream", "replayable")

    def __init__(self, stream: Any) -> None:
        """Look at ``stream``, a library's request stream, before it is sent."""
        self._stream = stream
        files = _files(stream)
        places = None if files is None else [(file, _place(file)) for file in files]
        self.replayable = places is not None and all(place is not None for _, place in places)
        self._files = places if places is not None and self.replayable else []

    def is_in(self, request: Any) -> bool:
        """True where ``request`` (perhaps the one after a redirect) sends this body."""
        return request.stream is self._stream

    def rewind(self) -> bool:
        """Put every file back to where it stood; False where one cannot go back any more. Blocks on a seek only."""
        try:
            for file, place in self._files:
                file.seek(place)
        except (OSError, ValueError):  # closed, or a pipe that claimed to be seekable
            return False
        return self.replayable


def _files(stream: Any) -> list[Any] | None:
    """The open files that ``stream`` reads from; None where it also reads from what cannot be read twice.

    The libraries keep what they were given under these names; where one is missing, nothing is sent twice.
    """
    fields = getattr(stream, "fields", None)
    if isinstance(fields, list):  # multipart
        files = [field.file for field in fields if hasattr(field, "file")]
        return [file for file in files if not isinstance(file, str | bytes)]
    content = getattr(stream, "_stream", None)
    if isinstance(content, Sequence):
        return []
    if hasattr(content, "__aiter__"):  # a file that is read by awaiting cannot be put back without awaiting
        return None
    return [content] if hasattr(content, "read") else None


def _place(file: Any) -> int | None:
    try:
        return file.tell() if file.seekable() else None
    except (AttributeError, OSError, ValueError):
        return None
