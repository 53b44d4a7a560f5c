"""``WWW-Authenticate`` read with patience: many challenges, quoted commas, odd spaces (RFC 9110 section 11.6.1)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_LARGEST: Final = 16_384
_MOST_CHALLENGES: Final = 32
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(rf'\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?=,|$)')
_SCHEME: Final = re.compile(rf"\s*({_WORD})(?:\s+|\s*(?=,|$))")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*\s*(?=,|$)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: its scheme in lower case and its parameters, names in lower case, in order."""

    scheme: str
    parameters: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str) -> str | None:
        """The first value of the parameter ``name`` (lower case), or None."""
        return next((value for key, value in self.parameters if key == name), None)


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges in the given header values; what cannot be read is passed over, nothing is ever raised. Pure."""
    found: list[Challenge] = []
    for value in values:
        found += _challenges(value[:_LARGEST])
    return tuple(found[:_MOST_CHALLENGES])


def _challenges(header: str) -> list[Challenge]:
    found: list[tuple[str, list[tuple[str, str]]]] = []
    at = 0
    while at < len(header):
        parameter = _PARAMETER.match(header, at)
        if parameter is not None and found:
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1].append((name.lower(), value))
            at = parameter.end()
        elif scheme := _SCHEME.match(header, at):
            found.append((scheme.group(1).lower(), []))
            at = scheme.end()
            if _PARAMETER.match(header, at) is None and (token68 := _TOKEN68.match(header, at)):
                at = token68.end()
        else:
            comma = header.find(",", at)
            at = len(header) if comma < 0 else comma
        while at < len(header) and header[at] in ", \t":
            at += 1
    return [Challenge(scheme, tuple(parameters)) for scheme, parameters in found]
