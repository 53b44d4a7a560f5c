"""Times as they are typed: ``90s``, ``5m``, ``12h``, ``30d``, or plain seconds (pure)."""

import re
from typing import Final

from roomkey.errors import ConfigurationError

_SPAN: Final = re.compile(r"(?P<number>[0-9]{1,9})(?P<unit>[smhdw]?)", re.ASCII)
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def seconds(text: str, option: str) -> int:
    """``text`` in seconds; raises ConfigurationError, which names ``option``."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ConfigurationError(f"{option} must be a number with s, m, h, d or w behind it, such as 12h or 30d.")
    return int(found["number"]) * _UNITS[found["unit"]]
