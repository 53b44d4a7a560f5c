"""Style sheets, script and icons: read once, named by what is in them, so that browsers may keep them for good."""

import hashlib
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES: Final = {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}
_DIGESTS: Final = {name: hashlib.sha256(content).hexdigest()[:16] for name, content in _FILES.items()}


def address(name: str) -> str:
    """Where the static file ``name`` is; another address as soon as its content is another."""
    return f"/static/{_DIGESTS[name]}/{name}"


def text(name: str) -> str:
    """What is in the static file ``name``, for a document that has nothing beside it."""
    return _FILES[name].decode()


async def serve(request: Request) -> Response:
    """The file that the address names, or 404; an older page's address leads to what the file is now."""
    name = request.path_params["name"]
    if name not in _FILES:
        return Response(status_code=404)
    current = request.path_params["digest"] == _DIGESTS[name]
    headers = {
        "cache-control": "public, max-age=31536000, immutable" if current else "no-cache",
        "x-content-type-options": "nosniff",
    }
    return Response(_FILES[name], media_type=_TYPES[Path(name).suffix], headers=headers)
