"""The player in a real browser: what it plays, what a click and a key do, and that its figures are the package's."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Browser

from forecast.cli.main import main
from forecast.core.rows import ForecastRows, TruthRows
from forecast.data.synthetic.town_writer import write_town
from forecast.eval.consistency import convergence_to_range, dispersion
from forecast.eval.forecasts import read_forecasts, write_forecasts, write_truth

VERSION = "v1.0-mini"


@dataclass(frozen=True)
class Town:
    """A synthetic town, the files of two baselines on it, and the page that shows both."""

    root: Path
    files: tuple[Path, Path]
    page: Path


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    folder = tmp_path_factory.mktemp("player")
    root = folder / "town"
    write_town(root, scenes=4, seed=3, workers=1)
    named = ["--dataroot", str(root), "--version", VERSION, "--split", "mini_train"]
    assert main(["baselines", *named, "--dense", "--format", "parquet", "--out", str(folder)]) == 0
    first, second = folder / "constant_velocity_heading.parquet", folder / "constant_speed_yaw_rate.parquet"
    page = folder / "page.html"
    assert (
        main(
            [
                "view",
                str(first),
                str(second),
                *named,
                "--scenes",
                "2",
                "--names",
                "straight,turning",
                "--out",
                str(page),
            ]
        )
        == 0
    )
    return Town(root, (first, second), page)


def opened(browser: Browser, page: Path, **window: Any) -> None:
    """Open a page and wait until its first scene is there."""
    from selenium.webdriver.support.ui import WebDriverWait

    browser.open(page, **window)
    WebDriverWait(browser.driver, 30).until(lambda _: browser.script("return !!(window.player && player.scene)"))


def until(browser: Browser, condition: str) -> None:
    """Wait for a condition of the page."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser.driver, 30).until(lambda _: browser.script(f"return !!({condition})"))


def press(browser: Browser, key: str) -> None:
    """Press a key on the page."""
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser.driver).send_keys(key).perform()


def pixels(browser: Browser) -> str:
    """What the canvas shows now."""
    return str(browser.script("player.draw(); return player.canvas.toDataURL()"))


def lines_of(browser: Browser, table: str) -> dict[str, list[str]]:
    """A table of figures: by model, its cells."""
    rows = browser.script(
        "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map((row) => "
        "[...row.cells].map((cell) => cell.textContent))",
        table,
    )
    return {row[0]: row[1:] for row in rows}


def test_it_plays_and_is_scrubbed(browser: Browser, town: Town) -> None:
    from selenium.webdriver.common.keys import Keys

    opened(browser, town.page)
    last = browser.script("return player.lastFrame")
    before = pixels(browser)
    browser.script("document.getElementById('speed').value = '4'; player.speed = 4")
    press(browser, " ")
    assert browser.script("return document.getElementById('play').getAttribute('aria-label')") == "Pause"
    until(browser, "player.frame > 2")
    press(browser, " ")
    assert not browser.script("return player.playing")
    assert pixels(browser) != before
    press(browser, Keys.END)
    assert browser.script("return [player.frame, +document.getElementById('slider').value]") == [last, last]
    press(browser, Keys.ARROW_LEFT)
    assert browser.script("return player.frame") == last - 1
    press(browser, Keys.HOME)
    press(browser, Keys.ARROW_RIGHT)
    assert browser.script("return player.frame") == 1
    browser.script("const s = document.getElementById('slider'); s.value = 7; s.dispatchEvent(new Event('input'))")
    assert browser.script("return [player.frame, document.getElementById('clock').textContent.slice(0, 5)]") == [
        7,
        "3.5 s",
    ]
    # The space bar on a button presses that button, and plays nothing.
    browser.script("document.getElementById('on').focus()")
    press(browser, " ")
    assert browser.script("return [player.frame, player.playing]") == [8, False]
    assert (browser.complaints(), browser.requests()) == ([], [])


def test_models_are_toggled_and_scenes_chosen(browser: Browser, town: Town) -> None:
    opened(browser, town.page)
    browser.script("player.go(10)")
    both = pixels(browser)
    boxes = browser.driver.find_elements("css selector", "#models input")
    boxes[1].click()
    assert browser.script("return player.visible") == [0]
    one = pixels(browser)
    assert one != both
    boxes[0].click()
    none = pixels(browser)
    assert none not in (one, both)
    boxes[0].click()
    boxes[1].click()
    assert pixels(browser) == both
    scenes = browser.script("return player.index.scenes.length")
    assert scenes > 1
    browser.script("const s = document.getElementById('scenes'); s.value = '1'; s.dispatchEvent(new Event('change'))")
    until(browser, "player.number === 1")
    assert browser.script("return player.frame") == browser.script("return player.firstForecast")
    assert pixels(browser) != both


def test_a_click_chooses_the_agent_under_it(browser: Browser, town: Town) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    opened(browser, town.page)
    browser.script("player.go(8)")
    agent = browser.script(
        "const row = player.scene.models[0].byFrame[8][0]; player.view.x = row.start.x; player.view.y = row.start.y;"
        "player.view.scale = 20; player.draw(); return row.agent"
    )
    canvas = browser.driver.find_element("id", "canvas")
    ActionChains(browser.driver).move_to_element(canvas).click().perform()
    assert browser.script("return player.chosen") == agent
    assert browser.script("return +document.getElementById('agents').value") == agent
    assert lines_of(browser, "mean-figures").keys() == {"straight", "turning"}
    # Its followed position stays in the middle of the picture while it moves.
    press(browser, "f")
    browser.script("player.go(12); player.draw()")
    off = browser.script(
        "const agent = player.chosenAgent, at = agent.at[player.frame];"
        "return [agent.x[at] - player.view.x, agent.y[at] - player.view.y]"
    )
    assert np.abs(off).max() < 1e-9
    press(browser, "]")
    assert browser.script("return player.chosen") != agent


def on_the_clock_of_frames(town: Town, file: Path) -> tuple[ForecastRows, TruthRows]:
    """Forecasts and truth as the metrics on data sets take them: key frames half a second apart."""
    from forecast.data.cache import open_dataset

    tracks = open_dataset(town.root, VERSION).tracks
    first = np.searchsorted(tracks.sample_scene, np.arange(len(tracks.scene_names)))
    clock_s = 0.5 * (np.arange(len(tracks.sample_scene)) - first[tracks.sample_scene])
    rows = read_forecasts(file)
    real_s = tracks.sample_time_us * 1e-6
    frame = np.abs(rows.issue_time_s[:, None] - real_s).argmin(1)
    rows = replace(rows, issue_time_s=clock_s[frame], row_lead_s=None)
    names = tracks.track_tokens[tracks.row_track]
    return rows, TruthRows(names, clock_s[tracks.row_sample], tracks.row_position_m)


@pytest.mark.parametrize("model", [0, 1])
def test_dispersion_and_convergence_are_the_packages(browser: Browser, town: Town, model: int) -> None:
    opened(browser, town.page)
    forecasts, truth = on_the_clock_of_frames(town, town.files[model])
    spread = dispersion(forecasts, truth)
    within = convergence_to_range(forecasts, truth, tau_m=[1.0])[1.0]
    name = ["straight", "turning"][model]
    token = browser.script(
        "player.go(player.lastFrame); player.choose(player.listed[0].number); return player.chosenAgent.name"
    )
    mine = (spread.points.track == token) & spread.scores.valid
    assert mine.sum() > 3
    # The means at the scene's end are those of the metric over the track.
    points, d, c = lines_of(browser, "mean-figures")[name]
    assert int(points) == mine.sum()
    assert d == f"{spread.scores.values[mine].mean():.3f} m"
    assert c == f"{within.scores.values[mine].mean():.3f} s"
    # So are those of each point, when it has come.
    for at in np.flatnonzero(mine)[:4]:
        time_s = float(spread.points.time_s[at])
        browser.script("player.go(Math.round(arguments[0] / 0.5)); player.choosePoint(arguments[0])", time_s)
        issued, d, c = lines_of(browser, "point-figures")[name]
        assert (issued, d) == ("12 of 12", f"{spread.scores.values[at]:.3f} m")
        assert c == f"{within.scores.values[at]:.1f} s"
        # Six steps before it, half of the forecasts have been issued: the figures are over those alone.
        browser.script("player.go(Math.round(arguments[0] / 0.5) - 6); player.choosePoint(arguments[0])", time_s)
        early = forecasts.take((forecasts.track == token) & (forecasts.issue_time_s <= time_s - 3.0 + 1e-6))
        partial = dispersion(early, truth, window="partial", minimum=2)
        here = (partial.points.track == token) & (np.abs(partial.points.time_s - time_s) < 1e-6)
        assert lines_of(browser, "point-figures")[name][:2] == ["7 of 12", f"{partial.scores.values[here][0]:.3f} m"]


def test_the_worst_cases_are_jumped_to(browser: Browser, town: Town) -> None:
    opened(browser, town.page)
    browser.script("player.open(1)")
    until(browser, "player.number === 1")
    first = browser.driver.find_elements("css selector", "#worst button")[0]
    said = re.fullmatch(r"(.*), ([\d.]+) s, .*?([\d.]+) m", first.text.replace("\n", " "))
    assert said is not None
    first.click()
    until(browser, "player.chosen !== null")
    frame, scene, error = browser.script(
        "return [player.frame, player.scene.name, player.rowOf(0, player.chosen).error]"
    )
    assert (scene, frame * 0.5, f"{error:.1f}") == (said[1], float(said[2]), said[3])
    errors = browser.driver.find_elements("css selector", "#worst b")
    shown = [float(one.get_attribute("textContent").removesuffix(" m")) for one in errors]
    assert shown == sorted(shown, reverse=True)


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_phone(browser: Browser, town: Town, dark: bool) -> None:
    opened(browser, town.page, width=390, height=844, dark=dark)
    browser.script("player.go(5); player.choose(player.listed[0].number)")
    assert browser.overflow_px() <= 0
    assert browser.script("return document.querySelector('canvas').getBoundingClientRect().width") == 390
    assert (browser.complaints(), browser.requests()) == ([], [])


@pytest.fixture(scope="module")
def looking(town: Town) -> Path:
    """A page of a file and a network, which says where it looks."""
    page = town.page.parent / "looking.html"
    named = ["--dataroot", str(town.root), "--version", VERSION, "--scenes", "1", "--names", "straight,town"]
    assert main(["view", str(town.files[0]), "town", *named, "--attention", "--out", str(page)]) == 0
    return page


#: Words of how the attention is shared out; empty where there are none.
WORDS = "return document.getElementById('attention-words')?.textContent ?? ''"


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_shown_where_a_network_looks(browser: Browser, looking: Path, dark: bool) -> None:
    opened(browser, looking, width=390 if dark else 1366, dark=dark)
    box = browser.driver.find_element("id", "attention")
    assert not box.is_displayed()  # nobody is chosen yet
    browser.script("player.go(8); player.choose(player.scene.models[1].byFrame[8][0].agent)")
    assert box.is_displayed()
    assert box.is_selected()
    told = {
        name: int(share)
        for name, share in re.findall(r"(map|own past|neighbours|nothing) (\d+) %", browser.script(WORDS))
    }
    assert len(told) == 4
    assert abs(sum(told.values()) - 100) <= 2
    seen = pixels(browser)
    press(browser, "a")
    hidden = pixels(browser)
    assert hidden != seen
    assert (browser.script(WORDS), box.is_selected()) == ("", False)
    box.click()
    assert pixels(browser) == seen
    # It goes with its model; and who is not forecast looks nowhere.
    browser.script("player.show(1, false)")
    assert browser.script(WORDS) == ""
    browser.script("player.show(1, true); player.choose(player.scene.agents.find((one) => one.ego).number)")
    assert browser.script(WORDS) == ""
    assert (browser.complaints(), browser.requests(), browser.overflow_px() <= 0) == ([], [], True)


def test_cells_lie_in_the_agents_frame(browser: Browser, looking: Path) -> None:
    """One cell alone is looked at: the picture changes in it, and nowhere outside."""
    opened(browser, looking)
    inside, outside = browser.script(
        "player.go(8); const row = player.scene.models[1].byFrame[8][0]; player.choose(row.agent);"
        "const { ahead, left, layout } = row.attention; const { start } = row;"
        "row.attention.cells = row.attention.cells.map((_, k) => Number(k === (ahead - 2) * left + left - 1));"
        "const at = ([r, c]) => {"
        "  const x = -layout.behind_m + ((r + 0.5) / ahead) * (layout.ahead_m + layout.behind_m);"
        "  const y = -layout.right_m + ((c + 0.5) / left) * (layout.left_m + layout.right_m);"
        "  const [cos, sin] = [Math.cos(start.heading), Math.sin(start.heading)];"
        "  return [start.x + cos * x - sin * y, start.y + sin * x + cos * y]; };"
        "const colour = (cell) => { const [x, y] = at(cell); Object.assign(player.view, { x, y, scale: 9 });"
        "  player.draw(); const { width, height } = player.canvas;"
        "  return player.context.getImageData(width / 2 - 20, height / 2 - 20, 40, 40).data.join(); };"
        "const change = (cell) => { player.showAttention(true); const seen = colour(cell);"
        "  player.showAttention(false); return seen !== colour(cell); };"
        "const right = [[ahead - 2, left - 1]];"
        "const wrong = [[1, 0], [1, left - 1], [ahead - 2, 0], [ahead - 3, left - 1], [ahead - 2, left - 2]];"
        "return [right.map(change), wrong.map(change)]"
    )
    assert inside == [True]
    assert outside == [False] * 5


def test_a_page_without_attention_offers_none(browser: Browser, town: Town) -> None:
    opened(browser, town.page)
    browser.script("player.go(8); player.choose(player.listed[0].number)")
    seen = pixels(browser)
    press(browser, "a")
    assert pixels(browser) == seen
    assert not browser.driver.find_element("id", "attention").is_displayed()


def plain(tmp_path: Path, *, tracks: tuple[str, ...] = ("a", "b</script>")) -> list[str]:
    """Rows of two tracks at 10 m/s and their truth, on the command line."""
    time_s = 1.6e9 + 0.5 * np.arange(30)
    lead_s = 0.5 * np.arange(1, 7)
    names = np.repeat(tracks, len(time_s))
    here = np.stack([np.tile(10.1 * (time_s - 1.6e9), len(tracks)), np.repeat(4.0 * np.arange(len(tracks)), 30)], -1)
    ahead = np.stack([10.1 * lead_s, 0.3 * lead_s], -1)
    paths = here[:, None, None] + np.stack([ahead, ahead + np.array([0.0, 9.0])])
    rows = ForecastRows(names, np.tile(time_s, len(tracks)), lead_s, paths, np.tile([0.8, 0.2], (len(names), 1)))
    write_forecasts(tmp_path / "rows.parquet", rows)
    write_truth(tmp_path / "truth.parquet", TruthRows(names, np.tile(time_s, len(tracks)), here))
    return ["view", str(tmp_path / "rows.parquet"), "--truth", str(tmp_path / "truth.parquet")]


def test_plain_rows_without_any_data_set(browser: Browser, tmp_path: Path) -> None:
    road = '{"type":"Polygon","coordinates":[[[-20,-20],[200,-20],[200,30],[-20,30],[-20,-20]]]}'
    feature = f'{{"type":"Feature","properties":{{"layer":"drivable_area"}},"geometry":{road}}}'
    (tmp_path / "road.geojson").write_text(f'{{"type":"FeatureCollection","features":[{feature}]}}')
    bare, mapped = tmp_path / "bare.html", tmp_path / "mapped.html"
    arguments = plain(tmp_path)
    assert main([*arguments, "--out", str(bare)]) == 0
    assert main([*arguments, "--map", str(tmp_path / "road.geojson"), "--out", str(mapped)]) == 0
    seen = []
    for page in (bare, mapped):
        opened(browser, page)
        browser.script("player.go(20)")
        seen.append(pixels(browser))
        assert browser.script("return player.scene.agents.map((agent) => agent.name)") == ["a", "b</script>"]
        browser.script("player.choose(1); player.go(player.lastFrame)")
        # An error that grows by 0.3 m a second: D is the mean distance of 0.15, 0.3, … 0.9 m to their mean.
        assert lines_of(browser, "mean-figures")["rows"] == ["24", "0.225 m", "3.000 s"]
        assert (browser.complaints(), browser.requests(), browser.overflow_px()) == ([], [], 0)
    assert seen[0] != seen[1]


def test_the_picture_is_zoomed_and_moved(browser: Browser, town: Town) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    opened(browser, town.page)
    scale = browser.script("return player.view.scale")
    # What is under the wheel stays there.
    before, after = browser.script(
        "const before = player.view.toWorld(200, 150);"
        "const box = player.canvas.getBoundingClientRect();"
        "player.canvas.dispatchEvent(new WheelEvent('wheel', { deltaY: -300, clientX: box.left + 200,"
        " clientY: box.top + 150, cancelable: true }));"
        "return [before, player.view.toWorld(200, 150)]"
    )
    np.testing.assert_allclose(after, before, atol=1e-9)
    assert browser.script("return player.view.scale") > scale
    # What is dragged comes along, and chooses nobody.
    canvas = browser.driver.find_element("id", "canvas")
    held = browser.script("return player.view.toWorld(player.view.width / 2, player.view.height / 2)")
    ActionChains(browser.driver).move_to_element(canvas).click_and_hold().move_by_offset(60, 40).release().perform()
    there = browser.script("return player.view.toScreen(...arguments[0])", held)
    middle = browser.script("return [player.view.width / 2, player.view.height / 2]")
    np.testing.assert_allclose(np.subtract(there, middle), [60, 40], atol=2)
    assert browser.script("return player.chosen") is None
    browser.driver.find_element("id", "fit").click()
    assert browser.script("return player.view.scale") == pytest.approx(scale)
    browser.driver.find_element("id", "closer").click()
    assert browser.script("return player.view.scale") == pytest.approx(1.4 * scale)
    assert browser.complaints() == []
