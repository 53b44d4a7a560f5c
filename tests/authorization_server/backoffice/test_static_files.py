"""Style sheets, script and icons: kept by browsers for good, under an address that follows from their content."""

from tests.authorization_server.backoffice.backoffice_service import Backoffice

from roomkey.authorization_server.backoffice.static_files import url_of


def test_a_static_file_is_kept_for_good_under_its_own_url_of(backoffice: Backoffice):
    browser = backoffice.browser()
    page = browser.get(url_of("parts.css"))
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/css")
    assert "immutable" in page.headers["cache-control"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.text.startswith("/* roomkey")
    assert browser.get("/static/0000000000000000/parts.css").headers["cache-control"] == "no-cache"


def test_nothing_else_is_there(backoffice: Backoffice):
    browser = backoffice.browser()
    for path in ("/static/x/..%2f..%2fpage.py", "/static/x/page.py", "/static/x/", "/static/x/parts.css/more"):
        assert browser.get(path).status_code == 404, path


def test_no_style_and_no_script_comes_from_elsewhere_or_waits_for_a_build(backoffice: Backoffice):
    text = "".join(backoffice.browser().get(url_of(name)).text for name in ("tokens.css", "parts.css", "backoffice.js"))
    assert "@import" not in text
    assert "url(" not in text
    assert "http" not in text
