"""What README says is so: its quickstart runs as it is written, and its links lead somewhere."""

import re
from pathlib import Path

from tests.programs import output_of

from roomkey.testing import Issuer, ProtectedAPI

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_quickstart_runs_and_its_second_run_needs_no_token_request(
    issuer: Issuer, api: ProtectedAPI, tmp_path: Path
) -> None:
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    assert len(code.strip().splitlines()) == 14
    for _ in range(2):
        output_of("-c", code, issuer=issuer, api=api, home=tmp_path)
    assert len(issuer.token_requests) == 1


def test_every_link_of_the_documentation_leads_to_a_file() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_name_that_the_documentation_calls_public_exists() -> None:
    import roomkey

    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for name in re.findall(r"\broomkey\.([A-Z]\w+|load)\b", page.read_text()):
            assert hasattr(roomkey, name), f"{page.name} speaks of roomkey.{name}"
