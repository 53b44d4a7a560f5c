"""The report of the demo: what is in it, and what it may be written over."""

import re
import stat
from pathlib import Path

import pytest
from examples.demo.report import ReportFile, markdown, mermaid, page
from tests.examples.scenes import HOSTILE, aborted, run, scene

from roomkey.errors import ConfigurationError


def test_the_mermaid_diagram_holds_the_messages_in_the_order_of_their_times() -> None:
    assert mermaid(scene()).splitlines() == [
        "sequenceDiagram",
        *("    " + line for line in (
            "participant USER as user",
            "participant AUTH as auth service",
            "participant APP as app",
            "participant API as API",
            "Note over USER: 1. requests an app token",
            "APP->>API: 6. GET /orders (token 0a1b2c3d)",
            "API->>AUTH: 8. POST /oauth2/introspect",
            "AUTH-->>API: 9. 200 active",
            "API--xAPP: 11. 401 invalid_token",
            "Note over APP,API: … 63 more like this, 401 each",
            'Note over USER,API: #60;script#62;alert("1")#60;/script#62;#59; #38; more',
            "Note over USER,API: A request is answered with 401 invalid_token (unknown_key).",
        )),
    ]  # fmt: skip


def test_the_markdown_states_claims_and_results() -> None:
    text = markdown(run())
    assert "# roomkey demo: 0 of 2 scenes passed" in text
    assert "- ✗ (wanted 2) 1 call answered 200" in text
    assert "- ✗ The scene was aborted: LookupError" in text
    assert text.count("```mermaid") == 1  # there is no diagram of nothing
    assert HOSTILE not in text


def test_the_page_is_one_html_document_with_the_diagrams_in_text() -> None:
    text = page(run())
    assert not re.search(r"<script|<link|@import|url\(|\bsrc=|\bon[a-z]+=", text)
    assert "default-src 'none'; style-src 'unsafe-inline'" in text
    plain = re.sub(r"<[^>]+>", "", text)
    assert "├" in plain
    assert "token 0a1b2c3d" in plain
    assert "(wanted 2)" in plain
    assert "The scene was aborted: LookupError" in plain
    assert "0 of 2 scenes passed" in plain


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_a_report_is_replaced_by_the_next_one(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    ReportFile(file).write(run())
    assert stat.S_IMODE(file.stat().st_mode) & 0o600 == 0o600
    ReportFile(file).write(type(run())((aborted(),), 1.0))
    assert "0 of 1 scenes passed" in file.read_text()
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_is_no_report_is_never_replaced(tmp_path: Path) -> None:
    other, link, folder = tmp_path / "thesis.html", tmp_path / "link.html", tmp_path / "folder.md"
    other.write_text("<!doctype html><p>Years of work")
    link.symlink_to(other)
    folder.mkdir()
    for path in (other, link, folder):
        with pytest.raises(ConfigurationError, match="exists and is no report of the demo"):
            ReportFile(path)
    late = ReportFile(tmp_path / "late.html")
    (tmp_path / "late.html").write_text("made meanwhile")
    with pytest.raises(ConfigurationError):
        late.write(run())
    assert other.read_text() == "<!doctype html><p>Years of work"
    assert (tmp_path / "late.html").read_text() == "made meanwhile"


def test_a_report_that_cannot_be_written_whole_leaves_the_one_before(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "report.html"
    ReportFile(file).write(run())
    before = file.read_text()

    def full(self: Path, text: str, encoding: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ConfigurationError, match="cannot be written: No space left on device"):
        ReportFile(file).write(run())
    assert file.read_text() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("name", "words"), [("missing/report.html", "there is no folder"), ("report.txt", "must end in .md or .html")]
)
def test_a_wrong_path_is_rejected_at_once(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        ReportFile(tmp_path / name)
