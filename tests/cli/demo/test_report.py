"""The report: what stands in it, that it needs nothing beside it, and what it may be written over."""

import re
import stat
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from tests.cli.demo.scenes import HOSTILE, run, scene

from roomkey.cli.demo.report.document import document
from roomkey.cli.demo.report.file import ReportFile
from roomkey.cli.demo.report.svg import svg
from roomkey.cli.exit_code import ExitCode
from roomkey.errors import ConfigurationError

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def page() -> str:
    return document(run(), version="1.2.3", when="1 May 2026, 12:00")


def picture() -> ET.Element:
    return ET.fromstring(svg(scene()).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def words(element: ET.Element) -> list[str]:
    return [each.text or "" for each in element.iter(f"{SVG}text")]


def test_the_picture_has_a_name_and_a_description_for_those_who_do_not_see_it():
    drawn = picture()
    assert drawn.get("role") == "img"
    named = {each.get("id"): each.text for each in drawn if each.tag in (f"{SVG}title", f"{SVG}desc")}
    assert list(named) == (drawn.get("aria-labelledby") or "").split()
    assert named["title-1"] == "Who sent what to whom: Service account"
    assert "4 messages between person, auth service, app, API" in str(named["desc-1"])


def test_the_picture_shows_messages_in_the_order_of_their_times_with_numbers_keys_and_statuses():
    shown = words(picture())
    assert shown[:4] == ["person", "auth service", "app", "API"]
    assert [word for word in shown if word.isdecimal()] == ["1", "6", "8", "9", "11"]
    assert shown.index("GET /orders") < shown.index("POST /oauth2/introspect") < shown.index("401 invalid_token")
    assert {"0a1b2c3d", "200 active", "… 63 more like this, 401 each", HOSTILE} <= set(shown)


def test_nothing_of_the_picture_lies_outside_of_it():
    drawn = picture()
    _, _, width, height = map(float, (drawn.get("viewBox") or "").split())
    for each in drawn.iter(f"{SVG}rect"):
        x, y, wide, high = (float(each.get(name) or 0) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + wide <= width
        assert 0 <= y <= y + high <= height


def test_the_page_needs_nothing_beside_it_and_runs_nothing(page: str):
    assert not re.search(r"<script|<link|@import|url\(|\bsrc=|\bon[a-z]+=", page)
    assert set(re.findall(r'href="([^"]*)"', page)) == {"#scene-1", "#scene-2"}
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    assert "light-dark(" in page


def test_words_are_words_and_no_markup(page: str):
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;") >= 4


def test_the_page_tells_claims_results_and_every_message_in_words(page: str):
    assert "<h1>0 of 2 scenes held</h1>" in page
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "not so: 1 call answered 200 (wanted 2)" in text
    assert "✗ The step broke off: LookupError" in text
    assert "roomkey 1.2.3" in text
    assert "0.10 s 6 app API GET /orders 0a1b2c3d" in text
    assert "0.30 s 9 auth service API 200 active" in text
    assert 'id="title-2"' not in page  # there is no picture of nothing


def test_a_report_is_replaced_by_the_next_one_whole(tmp_path: Path, page: str):
    file = tmp_path / "report.html"
    ReportFile(file).write(page)
    assert stat.S_IMODE(file.stat().st_mode) & 0o600 == 0o600
    ReportFile(file).write(page.replace("1.2.3", "1.2.4"))
    assert "1.2.4" in file.read_text()
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_no_report_is_never_written_over(tmp_path: Path, page: str):
    other, link, folder = tmp_path / "thesis.html", tmp_path / "link.html", tmp_path / "folder"
    other.write_text("<!doctype html><p>Years of work")
    link.symlink_to(other)
    folder.mkdir()
    for path in (other, link, folder, Path("/dev/null")):
        with pytest.raises(ConfigurationError, match="is there already and is no report of the demo") as caught:
            ReportFile(path)
        assert str(caught.value).count("\n") == 0
    late = ReportFile(tmp_path / "late.html")
    (tmp_path / "late.html").write_text("made meanwhile")
    with pytest.raises(ConfigurationError):
        late.write(page)
    assert other.read_text() == "<!doctype html><p>Years of work"
    assert (tmp_path / "late.html").read_text() == "made meanwhile"


def test_a_report_that_cannot_be_written_whole_leaves_the_one_before(tmp_path: Path, page: str, monkeypatch):
    file = tmp_path / "report.html"
    ReportFile(file).write(page)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ConfigurationError, match="cannot be written: No space left on device"):
        ReportFile(file).write("half of one")
    assert file.read_text() == page
    assert list(tmp_path.iterdir()) == [file]


def test_a_wrong_path_is_told_in_one_sentence_before_anything_is_played(home):
    done = home.call("demo", "--report", "missing/report.html")
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    assert done.stderr == (
        "roomkey: --report names missing/report.html, and there is no folder missing; make it first.\n"
    )
    done = home.call("demo", "--report", "roomkey.toml")
    assert done.returncode == ExitCode.USAGE
    assert "is no report of the demo" in done.stderr
