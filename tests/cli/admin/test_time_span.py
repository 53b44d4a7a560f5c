"""Times as they are typed."""

import pytest

from roomkey.cli.admin.time_span import seconds
from roomkey.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("90s", 90), ("5m", 300), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)]
)
def test_a_number_and_a_unit_are_seconds(text, expected):
    assert seconds(text, "--expires") == expected


@pytest.mark.parametrize("text", ["", "d", "-1d", "1.5h", "1y", "1 d", "\u0661d", "9999999999d", "1d\n1d"])
def test_anything_else_is_refused_by_the_option_s_name(text):
    with pytest.raises(ConfigurationError, match="--expires"):
        seconds(text, "--expires")
