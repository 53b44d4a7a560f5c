"""Scenes as values, with words in them that mean something to HTML and to Mermaid."""

from examples.demo.events import Arrow, Heading, LogLine, Note, Outcome, Party, Repeat, Run, Scene, exactly, holds

HOSTILE = '<script>alert("1")</script>; & more'


def scene() -> Scene:
    made = Scene(1, "Service account", f"A sentence {HOSTILE}", "app")
    made.events += (
        Note(Party.USER, "requests an app token", 1, 100.0),
        Arrow(Party.APP, Party.API, "GET /orders", 100.1, "0a1b2c3d", number=6),
        Arrow(Party.API, Party.APP, "401 invalid_token", 100.4, is_response=True, good=False, number=11),
        Repeat(Party.APP, Party.API, 63, 401, 100.5),
        Arrow(Party.API, Party.AUTH, "POST /oauth2/introspect", 100.2, number=8),
        Arrow(Party.AUTH, Party.API, "200 active", 100.3, is_response=True, number=9),
        Heading(HOSTILE, 100.6),
        LogLine("A request is answered with 401 invalid_token (unknown_key).", 100.7),
    )
    made.outcome = Outcome(
        checks=(exactly(1, 2, "call answered 200"), holds(HOSTILE, held=True)),
        calls=64,
        answered=0,
        token_requests=3,
        slowest=0.2,
    )
    return made


def aborted() -> Scene:
    return Scene(2, "Outage", "The token endpoint is down.", "app", problem="The scene was aborted: LookupError")


def run() -> Run:
    return Run((scene(), aborted()), 9.5)
