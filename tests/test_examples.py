"""Every example runs as it stands, against real servers, and finds its token again in the second run."""

from pathlib import Path

import pytest
from tests.programs import output_of

from roomkey.testing import Issuer, LeakDetector, ProtectedAPI

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(path: Path, issuer: Issuer, api: ProtectedAPI, leaks: LeakDetector, tmp_path: Path) -> None:
    asked = []
    for _ in range(2):
        leaks.assert_clean(output_of(path, issuer=issuer, api=api, home=tmp_path))
        asked.append(len(issuer.token_requests))
    assert asked[0] == asked[1]
