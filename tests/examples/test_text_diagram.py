"""The sequence diagram of the terminal: what is drawn where."""

import pytest
from examples.demo.events import Arrow, Heading, Note, Party
from examples.demo.text_diagram import NARROWEST, WIDEST, TextDiagram

ALL = tuple(Party)


def rows(event, *, width: int = 80, parties=ALL) -> list[str]:
    return [row.plain for row in TextDiagram(parties, width).rows(event)]


def places(width: int = 80) -> list[int]:
    return [index for index, letter in enumerate(TextDiagram(ALL, width).head()[1].plain) if letter == "│"]


def test_a_request_points_from_its_sender_to_its_receiver_with_its_words_above():
    person, auth, app, api = places()
    above, line = rows(Arrow(Party.APP, Party.API, "GET /orders", 0.0, "0a1b2c3d", number=6))
    assert above.startswith("  6 ")
    assert above[app + 2 :].startswith("GET /orders")
    assert line[app] == "├"
    assert line[api - 1 : api + 1] == "▶│"
    assert " token 0a1b2c3d " in line[app:api]
    assert (line[person], line[auth]) == ("│", "│")


def test_a_response_points_back_with_its_status():
    _, auth, app, _ = places()
    (line,) = rows(Arrow(Party.AUTH, Party.APP, "400 invalid_grant", 0.0, is_response=True, good=False))
    assert line[auth] == "├"
    assert line[app - 1 : app + 1] == "▶│"
    assert " 400 invalid_grant " in line
    assert "─" not in line
    (line,) = rows(Arrow(Party.APP, Party.AUTH, "200", 0.0, is_response=True))
    assert line[auth : auth + 2] == "│◀"
    assert line[app] == "┤"


def test_an_arrow_passes_over_the_lifelines_between_its_ends():
    _, auth, app, api = places()
    _, line = rows(Arrow(Party.API, Party.AUTH, "POST /oauth2/introspect", 0.0))
    assert line[auth : auth + 2] == "│◀"
    assert line[app] == "─"
    assert line[api] == "┤"


def test_a_note_stands_beside_its_lifeline_and_within_the_picture():
    *_, app, api = places()
    (line,) = rows(Note(Party.APP, "is configured with it", 4))
    assert line.startswith("  4 ")
    assert line[app : app + 23] == "● is configured with it"
    (line,) = rows(Note(Party.API, "reads the token from the header"))
    assert line[api] == "●"
    assert line[:api].endswith(" reads the token from the header ")


def test_long_notes_are_broken_into_lines_and_only_the_first_has_the_number():
    lines = rows(Note(Party.API, "a word " * 20, 10))
    assert len(lines) > 2
    assert [line.startswith(" 10 ") for line in lines] == [True, *[False] * (len(lines) - 1)]
    assert "".join(lines).count("word") == 20


def test_a_heading_stands_across_the_lifelines():
    empty, line = rows(Heading("or step 8 with a static JWK"))
    assert empty.split() == ["│"] * 4
    assert "or step 8 with a static JWK" in line


@pytest.mark.parametrize("width", [20, 72, 80, 100, 120, 10_000])
@pytest.mark.parametrize("parties", [ALL, ALL[1:], ALL[2:]])
def test_the_picture_takes_no_more_than_its_width(width, parties):
    diagram = TextDiagram(parties, width)
    drawn = diagram.head()
    for source in parties:
        drawn += diagram.rows(Note(source, "some words that are not short, and more of them", 11))
        for target in parties:
            if source is not target:
                drawn += diagram.rows(Arrow(source, target, "POST /token-requests/~new", 0.0, "0a1b2c3d"))
                drawn += diagram.rows(Arrow(source, target, "200", 0.0, "0a1b2c3d", is_response=True))
    most = min(max(width, NARROWEST), WIDEST)
    assert most * 0.9 < max(row.cell_len for row in drawn) <= most
