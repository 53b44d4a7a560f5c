"""Pages from templates: always escaped, nothing undefined, and no more than the template was given."""

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from roomkey.authorization_server.backoffice import time_words
from roomkey.authorization_server.backoffice.static_files import address

_TEMPLATES: Final = Path(__file__).parent / "templates"


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "absolute": time_words.absolute,
        "duration": time_words.duration,
        "machine": time_words.machine,
        "relative": time_words.relative,
        "words": str.split,
    }
    made.globals |= {"static": address}
    return made


ENVIRONMENT: Final = _environment()


def render(template: str, values: dict[str, Any]) -> str:
    """The page that ``template`` makes of ``values``; raises UndefinedError where one is missing."""
    return ENVIRONMENT.get_template(template).render(values)
