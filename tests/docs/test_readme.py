"""README's quickstart runs as it is written."""

import re
from pathlib import Path

from tests.programs import output_of

from roomkey.testing import Issuer, ProtectedAPI

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_quickstart_runs_and_its_second_run_needs_no_token_request(
    issuer: Issuer, api: ProtectedAPI, tmp_path: Path
) -> None:
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    assert len(code.strip().splitlines()) == 14
    for _ in range(2):
        output_of("-c", code, issuer=issuer, api=api, home=tmp_path)
    assert len(issuer.token_requests) == 1
