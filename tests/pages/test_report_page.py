"""The report's page in a browser: it reads well everywhere, sorts, and asks for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Browser
from made_report import body, document, pair

from forecast.cli.main import main
from forecast.core.rows import ForecastRows, TruthRows
from forecast.eval.forecasts import write_forecasts, write_truth
from forecast.report.audit_tables import write_audit_page
from forecast.report.page import write_page

#: All pieces of text with their colour, what is behind them, and how large they are.
TEXTS = """
const rgba = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
const behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const colour = rgba(getComputedStyle(one).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, style = getComputedStyle(element);
  if (!walker.currentNode.data.trim() || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
  const colour = element instanceof SVGElement ? style.fill : style.color;
  found.push([walker.currentNode.data.trim().slice(0, 40), rgba(colour), behind(element)]);
}
return found;
"""
ORDER = "return [...document.querySelectorAll(arguments[0] + ' tbody tr')].map(row => row.cells[0].innerText.trim())"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of three files of rows: two of two modes, one of a single mode, with long names."""
    folder = tmp_path_factory.mktemp("page")
    rng = np.random.default_rng(0)
    time_s, tracks = np.arange(24) / 2, [f"track_{number}" for number in range(24)]
    names, clock = np.repeat(tracks, len(time_s)), np.tile(time_s, len(tracks))
    here = np.stack([8 * clock, np.repeat(4.0 * np.arange(len(tracks)), len(time_s))], -1)
    write_truth(folder / "truth.parquet", TruthRows(names, clock, here))
    lead_s = np.arange(1, 13) / 2
    ahead = here[:, None, None] + np.stack([8 * lead_s, 0 * lead_s], -1)
    files = []
    for name, off_m, odds in (
        ("the_better_one_of_several_long_names", 0.2, [0.7, 0.3]),
        ("the_worse_one", 0.8, [0.6, 0.4]),
        ("constant_velocity", 0.5, [1.0]),
    ):
        noise = rng.normal(0, off_m, (len(names), len(odds), len(lead_s), 2)) * lead_s[:, None]
        files.append(folder / f"{name}.parquet")
        write_forecasts(files[-1], ForecastRows(names, clock, lead_s, ahead + noise, np.tile(odds, (len(names), 1))))
    out = folder / "page.html"
    paths = [str(path) for path in files]
    given = ["--truth", str(folder / "truth.parquet"), "--out", str(folder / "report.json"), "--html", str(out)]
    assert main(["score", *paths, *given]) == 0
    return out


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A page of made-up figures; c misses one."""
    bodies = [
        body("b_file", min_fde_1=(10.0, 9.0, 11.0), miss_rate_5_2m=(0.5, 0.4, 0.6)),
        body("a_file", min_fde_1=(9.0, 8.0, 10.0), miss_rate_5_2m=(0.7, 0.6, 0.8)),
        body("c_file", min_fde_1=(12.5, 12.0, 13.0)),
    ]
    bodies[0]["temporal"]["extended_comfort"] = {"value": 0.2, "count": 9, "ci_low": 0.1, "ci_high": 0.3}
    bodies[1]["temporal"]["extended_comfort"] = {"value": 0.8, "count": 8, "ci_low": 0.7, "ci_high": 0.9}
    sure, unsure = (3.5, 3.0, 4.0), (1.0, -0.5, 2.5)
    pairs = [
        pair("a_file", "b_file", min_fde_1=unsure),
        pair("a_file", "c_file", min_fde_1=sure),
        pair("b_file", "c_file", min_fde_1=(2.5, 2.0, 3.0)),
    ]
    write_page(tmp_path / "made.html", document(bodies, pairs))
    return tmp_path / "made.html"


def column(browser: Browser, section: str, heading: str) -> dict[str, Any]:
    """What a column of a section's tables holds, by the file."""
    found = browser.script(
        """const found = {};
        for (const table of document.querySelectorAll(arguments[0] + ' table')) {
          const heads = [...table.tHead.rows[0].cells].map(head => head.innerText);
          const at = heads.findIndex(text => text.startsWith(arguments[1]));
          if (at >= 0) for (const row of table.tBodies[0].rows) {
            const cell = row.cells[at], part = kind => cell.querySelector(kind)?.innerText ?? '';
            found[row.cells[0].innerText.trim()] = {
              text: cell.innerText, bold: part('strong'), near: part('.near'), head: heads[at]};
          }
        }
        return found;""",
        section,
        heading,
    )
    assert found, heading
    return dict(found)


@pytest.mark.parametrize("width", [390, 1366])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_overflows_complains_or_is_asked_for(browser: Browser, page: Path, width: int, dark: bool) -> None:
    browser.open(page, width=width, dark=dark)
    assert browser.overflow_px() <= 0
    assert browser.complaints() == []
    assert browser.requests() == []
    shown = browser.script(
        """return [...document.querySelectorAll('.table-box')].map(box => {
          const edge = box.getBoundingClientRect();
          return [...box.querySelectorAll('tbody tr')].filter(
            row => row.getBoundingClientRect().bottom <= edge.bottom).length;
        });"""
    )
    assert max(shown) <= 16  # lines of a table at a time; the others are scrolled to
    height = "return [...document.querySelectorAll('td:not(.words)')].map(one => one.getClientRects()[0].height)"
    cells = browser.script(height)
    assert width < 1000 or max(cells) < 50  # one line each, names at most two


@pytest.mark.parametrize("looks", [{}, {"dark": True}, {"printed": True}], ids=["light", "dark", "print"])
def test_all_text_stands_out_from_what_is_behind(browser: Browser, page: Path, looks: dict[str, bool]) -> None:
    browser.open(page, **looks)
    texts = browser.script(TEXTS)
    assert len(texts) > 100
    faint = {text: ratio for text, colour, ground in texts if (ratio := contrast(colour, ground)) < 4.5}
    assert faint == {}


def contrast(one: list[float], two: list[float]) -> float:
    """The contrast ratio of WCAG, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: list[float]) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in np.array(colour[:3]) / 255
    ]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_contrast_is_the_known_one() -> None:
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)
    assert contrast([119, 119, 119], [255, 255, 255]) == pytest.approx(4.48, abs=0.01)


def test_the_contents_lead_to_the_headings(browser: Browser, page: Path) -> None:
    browser.open(page)
    targets = browser.script("return [...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))")
    headings = browser.script(
        "return [...document.querySelectorAll('main section')].map(one => [`#${one.id}`, !!one.querySelector('h2')])"
    )
    assert [target for target, titled in headings if titled] == targets
    assert len(targets) >= 10
    identifiers = browser.script("return [...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(identifiers) == len(set(identifiers))
    assert browser.script("return document.querySelectorAll('h1').length") == 1


def test_all_pictures_have_words(browser: Browser, page: Path) -> None:
    browser.open(page)
    found = browser.script(
        "return [...document.querySelectorAll('svg, img')].map(one => [one.tagName.toLowerCase(), "
        "one.getAttribute('alt') || one.getAttribute('aria-label') || '', one.getBoundingClientRect().width])"
    )
    kinds = [kind for kind, _, _ in found]
    # Horizon, two differences of accuracy and two of consistency, D, C, reliability, two strata by two metrics.
    assert kinds.count("svg") == 12
    assert kinds.count("img") == 12
    assert all(len(words) > 20 and width > 100 for _, words, width in found)


def test_single_modes_are_left_out_of_the_reliability(browser: Browser, page: Path) -> None:
    browser.open(page)
    said = browser.script("return document.querySelector('#reliability').innerText")
    assert "Not shown for constant_velocity:" in said
    assert set(column(browser, "#reliability", "calibration error")) == {
        "the_better_one_of_several_long_names",
        "the_worse_one",
    }


def test_the_words_on_top_name_the_better_file(browser: Browser, page: Path) -> None:
    browser.open(page)
    said = browser.script("return document.querySelector('.words-on-top').innerText")
    assert "the_better_one_of_several_long_names is surely ahead" in said
    assert "surely worse: the_worse_one" in said


def test_the_best_value_is_bold(browser: Browser, made: Path) -> None:
    browser.open(made)
    end = column(browser, "#accuracy", "minFDE_1")
    assert {name: one["bold"] for name, one in end.items()} == {"b_file": "", "a_file": "9.00", "c_file": ""}
    assert {name: one["near"] for name, one in end.items()} == {"b_file": "10.00", "a_file": "", "c_file": ""}
    assert end["b_file"]["text"].split() == ["10.00", "±", "1.00"]
    assert end["b_file"]["head"].startswith("minFDE_1 m ↓")
    missed = column(browser, "#accuracy", "MissRate_5")
    assert missed["b_file"]["bold"] == "50.0"
    assert missed["c_file"]["text"] == "–"
    comfort = column(browser, "#temporal", "extended comfort")
    assert "↑" in comfort["a_file"]["head"]
    assert comfort["a_file"]["bold"] == "80.0"
    assert "n = 8" in comfort["a_file"]["text"]  # the counts differ here, elsewhere they do not
    assert not any("n =" in one["text"] for one in end.values())


def test_columns_sort_by_click_and_by_key(browser: Browser, made: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser.open(made)
    buttons = browser.driver.find_elements(By.CSS_SELECTOR, "#accuracy thead button")
    by_text = {button.text.split()[0]: button for button in buttons}
    assert browser.script(ORDER, "#accuracy") == ["b_file", "a_file", "c_file"]
    by_text["minFDE_1"].click()
    assert browser.script(ORDER, "#accuracy") == ["a_file", "b_file", "c_file"]  # as numbers: 9 before 10
    by_text["minFDE_1"].send_keys(Keys.ENTER)
    assert browser.script(ORDER, "#accuracy") == ["c_file", "b_file", "a_file"]
    by_text["MissRate_5"].send_keys(Keys.SPACE)
    assert browser.script(ORDER, "#accuracy") == ["b_file", "a_file", "c_file"]
    by_text["MissRate_5"].send_keys(Keys.SPACE)
    assert browser.script(ORDER, "#accuracy") == ["a_file", "b_file", "c_file"]  # what has no value stays last
    by_text["forecasts"].click()
    assert browser.script(ORDER, "#accuracy") == ["a_file", "b_file", "c_file"]
    said = "return [...document.querySelectorAll('#accuracy th[aria-sort]')].map(one => one.ariaSort)"
    assert browser.script(said).count("ascending") == 1
    assert browser.complaints() == []


def test_heads_and_names_stay_while_a_table_is_scrolled(browser: Browser, page: Path) -> None:
    browser.open(page, width=390, height=500)
    moved = browser.script(
        """const box = document.querySelector('#accuracy .table-box'), at = (kind) => {
          const one = box.querySelector(kind).getBoundingClientRect(), edge = box.getBoundingClientRect();
          return [one.left - edge.left, one.top - edge.top];
        };
        const before = [at('tbody th')[0], at('tbody td')[0]];
        box.scrollTo(80, 0);
        return [before, [at('tbody th')[0], at('tbody td')[0]], box.scrollLeft];"""
    )
    (name, value), (name_after, value_after), scrolled = moved
    head_moves = browser.script(
        """const box = document.querySelector('#coverage .table-box'), head = box.querySelector('thead th');
        const caption = box.querySelector('caption').offsetHeight, top = () => head.getBoundingClientRect().top;
        box.scrollTo(0, caption);
        const before = top();
        box.scrollTo(0, caption + 60);
        return [box.scrollTop - caption, top() - before];"""
    )
    assert head_moves == pytest.approx([60, 0], abs=1.5)
    assert scrolled == 80
    assert name_after == pytest.approx(name, abs=1.5)
    assert value_after == pytest.approx(value - 80, abs=1)


def test_print_shows_everything(browser: Browser, page: Path) -> None:
    browser.open(page, width=703, height=300, printed=True)  # A4 without its margins; boxes would scroll
    assert browser.overflow_px() <= 0
    cut = browser.script(
        """return [...document.querySelectorAll('main *')].filter(one => {
          const style = getComputedStyle(one), box = one.getBoundingClientRect();
          if (one.closest('.hidden, svg')) return false;
          return style.display === 'none' || box.right > innerWidth + 1
            || (style.overflow !== 'visible' && (one.scrollHeight > one.clientHeight + 1));
        }).map(one => one.outerHTML.slice(0, 80)).filter(text => !text.includes('class="order"'))"""
    )
    assert cut == []


def test_names_are_text_whatever_is_in_them(browser: Browser, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>&amp;"
    path = tmp_path / "page.html"
    write_page(path, document([body(name), body("b")], [pair(name, "b", min_fde_1=(1.0, 0.5, 1.5))]))
    browser.open(path)
    assert name in browser.script("return document.querySelector('#accuracy').innerText")
    assert browser.script("return document.querySelectorAll('img').length") == 0
    assert browser.complaints() == []


@pytest.mark.parametrize("width", [390, 1366])
def test_the_page_of_an_audit_has_the_same_look(browser: Browser, tmp_path: Path, width: int) -> None:
    moved = {"value": 0.43, "count": 9, "low": 0.33, "high": 0.56}
    part = {"fde_m": moved, "fde_rises_m": moved, "end_moves_m": moved}
    data = {"split": "val", "where": "a/rather/long/path/of/a/data/set/that/has/to/be/broken"}
    write_audit_page(tmp_path / "audit.html", {"model": "mine", "dataset": data, "parts": {"noise": part}})
    browser.open(tmp_path / "audit.html", width=width)
    assert column(browser, "#part-1", "end moves by")["jitter"]["text"] == "0.43 (0.33, 0.56)"
    assert (browser.overflow_px() <= 0, browser.complaints(), browser.requests()) == (True, [], [])
