"""The weights of an Accept header: the most specific range decides."""

import pytest

from roomkey.authorization_server.web.accept import weight


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ([], 0.0),
        ([""], 0.0),
        (["text/html"], 0.0),
        (["application/json"], 1.0),
        (["Application/JSON; charset=utf-8; Q=0.5"], 0.5),
        (["application/json;q=0"], 0.0),
        (["application/json;q=0.000, */*"], 0.0),
        (["*/*;q=0.1"], 0.1),
        (["application/*;q=0.2, */*;q=0.9"], 0.2),
        (["text/*", "application/*;q=0.3"], 0.3),
        (["application/json;q=0.2, application/json;q=0.7"], 0.7),
        (["application/json ; q=0.25 , text/html"], 0.25),
        (["application/json;q=1.001"], 1.0),
        (["application/json;q=nan"], 1.0),
        (["application/jsonp;q=0.5"], 0.0),
        ([",;q=0,,"], 0.0),
    ],
)
def test_the_most_specific_range_decides(accept: list[str], wanted: float) -> None:
    assert weight("application/json", accept) == wanted
