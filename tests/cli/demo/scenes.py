"""A scene as it might have been played, with words in it that mean something to HTML."""

from roomkey.cli.demo.events import Arrow, Heading, LogLine, Note, Party, Played, Repeat, Scene
from roomkey.cli.demo.outcome import Outcome, exactly, so

HOSTILE = '<script>alert("1")</script> & more'


def scene() -> Scene:
    made = Scene(1, "Service account", f"A sentence {HOSTILE}", "app", 100.0)
    made.events += (
        Note(Party.PERSON, "asks for an app token", 1, 100.0),
        Arrow(Party.APP, Party.API, "GET /orders", 100.1, "0a1b2c3d", number=6),
        Arrow(Party.API, Party.APP, "401 invalid_token", 100.4, is_answer=True, good=False, number=11),
        Repeat(Party.APP, Party.API, 63, 401, 100.5),
        Arrow(Party.API, Party.AUTH, "POST /oauth2/introspect", 100.2, number=8),
        Arrow(Party.AUTH, Party.API, "200 active", 100.3, is_answer=True, number=9),
        Heading(HOSTILE, 100.6),
        LogLine("A request is answered with 401 invalid_token (unknown_key).", 100.7),
    )
    made.outcome = Outcome(
        checks=(exactly(1, 2, "call answered 200"), so(HOSTILE, held=True)),
        calls=64,
        answered=0,
        token_requests=3,
        slowest=0.2,
    )
    return made


def broken() -> Scene:
    return Scene(2, "Outage", "The desk is closed.", "app", 100.0, problem="The step broke off: LookupError")


def run() -> Played:
    return Played((scene(), broken()), 9.5)
