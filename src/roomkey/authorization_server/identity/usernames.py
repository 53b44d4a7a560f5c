"""Usernames of which no two look alike (pure)."""
# ruff: noqa: RUF001 - letters that look alike are what this is about

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from roomkey.authorization_server.errors import Invalid

LONGEST: Final = 64
_LONGEST_RAW: Final = 256
_MARKS: Final = frozenset("._-@+")
_SCRIPTS: Final = frozenset(
    {"LATIN", "GREEK", "CYRILLIC", "HEBREW", "ARABIC", "DEVANAGARI", "BENGALI", "TAMIL", "TELUGU", "THAI"}
    | {"HANGUL", "HIRAGANA", "KATAKANA", "CJK"}
)
_TOGETHER: Final = (frozenset({"CJK", "HIRAGANA", "KATAKANA"}), frozenset({"CJK", "HANGUL"}))
_COMPOSING: Final = frozenset({"LATIN", "GREEK", "CYRILLIC"})  # a mark that is left over on these hides something
# Of Latin, the letters that languages are written with: the phonetic alphabets are full of doubles.
_LATIN: Final = re.compile("[A-Za-zÀ-ÖØ-öø-ſƠơƯưȘ-țḀ-ỿ]")
# Small letters that are taken for one another, in small or in capital form; each goes to the first.
_ALIKE: Final = {
    ord(letter): group[0]
    for group in (
        *("aаα", "bвьβ", "cсϲ", "dԁ", "eеεє", "hһнη", "iіιı1lӏ", "jј", "kкκ", "mмμ", "nп", "oоοσ0", "pрρ", "qԛ", "rг"),
        *("sѕ", "tтτ", "uυ", "vνѵ", "wԝω", "xхχ", "yуүγ", "zζ", "ïїϊ", "ëё"),
    )
    for letter in group[1:]
}
_PAIRS: Final = (("rn", "m"), ("vv", "w"))


@dataclass(frozen=True, slots=True)
class Username:
    """A name as it is shown, and the key by which it is compared: equal for all that look or fold alike."""

    shown: str
    key: str


def username(text: str) -> Username:
    """``text`` as a username: NFKC, letters of one script, ASCII digits and ``. _ - @ +``, 64 characters at most.

    Raises Invalid for spaces, control and invisible characters, scripts that are mixed or seldom used, and leftover
    combining marks.
    """
    if len(text) > _LONGEST_RAW:
        raise _refused(f"is longer than {LONGEST} characters")
    shown = unicodedata.normalize("NFKC", text)
    if not shown or len(shown) > LONGEST:
        raise _refused("is empty" if not shown else f"is longer than {LONGEST} characters")
    scripts: set[str] = set()
    for character in shown:
        if character in _MARKS or character in "0123456789":
            continue
        scripts.add(_script(character, scripts))
    if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
        raise _refused("mixes letters of several scripts, which can be made to look like another name")
    if not (shown[0].isalnum() and unicodedata.category(shown[-1])[0] in "LMN"):
        raise _refused("begins or ends with something else than a letter or a digit")
    return Username(shown, key_of(shown))


def key_of(text: str) -> str:
    """Comparison key of ``text``; defined for any text, so that input of a sign-in can be looked up."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", storable(text)).casefold())
    key = folded.translate(_ALIKE)
    for pair, one in _PAIRS:
        key = key.replace(pair, one)
    return key


def storable(text: str) -> str:
    """``text``, of any length, as something that every database takes as a parameter, and finds nothing by."""
    return text[:_LONGEST_RAW].encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _script(character: str, before: set[str]) -> str:
    category = unicodedata.category(character)
    name = unicodedata.name(character, "")
    script = name.partition(" ")[0].partition("-")[0]
    if category[0] == "M" and before and not before & _COMPOSING and script in _SCRIPTS:
        return script
    if category[0] != "L" or script not in _SCRIPTS:
        raise _refused("may have letters, the digits 0-9 and . _ - @ + in it, and nothing else")
    if script == "LATIN" and not _LATIN.match(character):
        raise _refused("has a letter of a phonetic alphabet in it, which can be made to look like another name")
    return script


def _refused(problem: str) -> Invalid:
    return Invalid(f"The username {problem}; choose another one.", field="username")
