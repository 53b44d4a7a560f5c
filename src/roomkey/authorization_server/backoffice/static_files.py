"""Style sheets, scripts and icons: read once, with a digest of the content in the URL so that browsers cache them."""

import hashlib
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FILES: Final = {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}
_DIGESTS: Final = {name: hashlib.sha256(content).hexdigest()[:16] for name, content in _FILES.items()}


def url_of(name: str) -> str:
    """URL of the static file ``name``; it changes with the content."""
    return f"/static/{_DIGESTS[name]}/{name}"


async def serve(request: Request) -> Response:
    """The file that the URL names, or 404; the URL of an older version gives the present one, not to be cached."""
    name = request.path_params["name"]
    if name not in _FILES:
        return Response(status_code=404)
    current = request.path_params["digest"] == _DIGESTS[name]
    headers = {
        "cache-control": "public, max-age=31536000, immutable" if current else "no-cache",
        "x-content-type-options": "nosniff",
    }
    return Response(_FILES[name], media_type=_TYPES[Path(name).suffix], headers=headers)
