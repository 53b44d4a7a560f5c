"""Weak passwords: common words of four languages, keyboard rows, repetitions and the username (pure).

Not zxcvbn (4.5.0 tried): it knows English words alone and accepts a twelfth of what this rejects, needs 2 s of CPU for
a 64-character password made for that, and 0.1 s to import.
"""

from typing import Final

# Each word also in any case, with digits for letters, joined, repeated and with numbers.
_TEXT: Final = """
    password passwort passwd passphrase motdepasse contrasena senha parola pass word secret geheim admin
    administrator root user guest test tester testing login signin access default changeme change this please
    letmein letme welcome willkommen bienvenue hello hallo master super superuser system server service account
    oracle database backup manager support office company roomkey qwerty qwertz azerty asdf asdfgh zxcvbn yxcvbn
    qazwsx edcrfv tgbyhn wsx qaz keyboard computer internet google facebook apple microsoft windows linux
    android iphone samsung github gitlab iloveyou love lovely loveme you angel princess prinzessin sunshine
    sonnenschein flower blume dragon monkey tiger lion panther eagle falcon wolf bear horse kitty puppy shadow
    hunter ranger football fussball soccer baseball basketball hockey golf liverpool arsenal chelsea barcelona
    summer winter spring autumn fall sommer herbst fruehling january february march april june july august
    september october november december monday tuesday wednesday thursday friday saturday sunday batman superman
    spiderman pokemon starwars matrix ninja pirate zombie freedom whatever michael jordan thomas daniel andrew
    joshua jennifer jessica ashley charlie george michelle nicole trustno trust one nothing everything forever
    never always money dollar secure security safe abc xyz foo bar baz temp temporary demo sample example new
    old the and your our pwd key token qweasd zaq xsw cde two three four five six seven eight nine ten
"""
_WORDS: Final = tuple(_TEXT.split())
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
    "1q2w3e4r5t6y7u8i9o0p",
    "!@#$%^&*()",
    '!"§$%&/()=',
)
_SHORTEST_RUN: Final = 3
_LEET: Final = str.maketrans("013457@$!€|", "oieastasiei")
_FEWEST_DIFFERENT: Final = 5
_FEWEST_LEFT: Final = 5  # characters that no rule covers
_CHECKED: Final = 64  # characters; a longer password is strong by its length, unless it repeats one piece


def is_weak(password: str, username: str) -> bool:
    """True where fewer than five characters are left without common words, keyboard rows, digits and ``username``."""
    text = password.casefold()[:_CHECKED]
    if len(set(text)) < _FEWEST_DIFFERENT or _repeats(text):
        return True
    own = tuple(part for part in (username.casefold(), username.casefold().partition("@")[0]) if len(part) > 2)
    return any(_unexplained(form, own) < _FEWEST_LEFT for form in {text, text.translate(_LEET)})


def _repeats(text: str) -> bool:
    """True where ``text`` repeats one piece at least three times."""
    return any(text == (text[:size] * len(text))[: len(text)] for size in range(1, len(text) // 3 + 1))


def _unexplained(text: str, own: tuple[str, ...]) -> int:
    """The least number of letters outside words and keyboard rows, over all ways to split ``text``."""
    best = [0] * (len(text) + 1)  # by dynamic programming from the end: words may overlap in more than one way
    for start in range(len(text) - 1, -1, -1):
        best[start] = best[start + 1] + (1 if text[start].isalpha() else 0)
        for word in (*own, *_WORDS):
            if text.startswith(word, start):
                best[start] = min(best[start], best[start + len(word)])
        run = _run(text, start)
        if run >= _SHORTEST_RUN:
            best[start] = min(best[start], best[start + run])
    return best[0]


def _run(text: str, start: int) -> int:
    """Length of the keyboard row (forwards, backwards, or one key repeated) at ``start``."""
    longest = 1
    while start + longest < len(text) and text[start + longest] == text[start]:
        longest += 1
    for row in _ROWS:
        for line in (row, row[::-1]):
            length = 1
            while start + length < len(text) and text[start : start + length + 1] in line:
                length += 1
            longest = max(longest, length)
    return longest
