"""What the browser tells of pages: tests of pages rest on it."""

from pathlib import Path

from browser import Browser


def test_a_page_that_complains_asks_and_overflows(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><title>A page</title><div style='width: 500px'>wide</div>"
        "<img src='missing.png'><script>console.error('so it says')</script>"
    )
    browser.open(page, width=390, height=600)
    assert browser.script("return document.title") == "A page"
    assert any("so it says" in line for line in browser.complaints())
    assert [address.rpartition("/")[2] for address in browser.requests()] == ["missing.png"]
    assert browser.overflow_px() > 100
    assert browser.picture(tmp_path / "seen.png").stat().st_size > 0


def test_dark_and_print_are_as_asked(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><title>Quiet</title>")
    asked = "return [matchMedia('(prefers-color-scheme: dark)').matches, matchMedia('print').matches, innerWidth]"
    browser.open(page, dark=True)
    assert browser.script(asked) == [True, False, 1366]
    browser.open(page, width=390, printed=True)
    assert browser.script(asked) == [False, True, 390]
    assert (browser.complaints(), browser.requests(), browser.overflow_px()) == ([], [], 0)
