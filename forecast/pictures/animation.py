"""An animation of successive forecasts of one agent, with dispersion and convergence-to-range drawn beside it.

Every frame is a key frame before one fixed point: where the agent really was at t̂. On the left the newest forecast lies
on the map over what the earlier ones predicted for t̂; on the right are what dispersion measures (how far apart these
predictions lie) and what convergence-to-range measures (since when they have been near the truth).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch
from numpy.typing import NDArray

from forecast.core.agents import AgentType
from forecast.core.files import written_whole
from forecast.core.progress import progress
from forecast.eval.consistency import RANGES_M
from forecast.pictures.key_frame_agents import Moment, moment_at
from forecast.pictures.literal import literal
from forecast.pictures.map_background import View, draw_ground
from forecast.pictures.point_forecasts import Successive
from forecast.pictures.scene_picture import FORECAST, OTHER, TARGET, TRUTH, draw_box, draw_modes

if TYPE_CHECKING:
    from PIL.Image import Image

    from forecast.data.cache import Dataset

Floats = NDArray[np.float64]
_DISPERSION = "#d55e00"
_FRAME_MS, _LAST_FRAME_MS = 700, 4000
_SIZE_IN, _DPI = (10.4, 5.9), 90
_SMALL: dict[str, Any] = {"fontsize": 8}


def write_animation(path: Path | str, dataset: Dataset, found: Successive, name: str) -> None:
    """Write the animation as a GIF: one frame an issue, and one when t̂ has come.

    Args:
        path: of the file.
        dataset: where the agent drives.
        found: positions that successive forecasts predicted.
        name: of the model.
    """
    from PIL.Image import Dither

    frames = [
        _pixels(draw_frame(dataset, found, issued, name))
        for issued in progress(range(1, len(found) + 2), "drawing", total=len(found) + 1)
    ]
    palette = _palette(frames)  # one for all frames: what does not move then costs nothing
    indexed = [frame.quantize(palette=palette, dither=Dither.NONE) for frame in frames]
    times_ms = [_FRAME_MS] * len(found) + [_LAST_FRAME_MS]
    with written_whole(path) as temporary:
        indexed[0].save(
            temporary, save_all=True, append_images=indexed[1:], duration=times_ms, loop=0, optimize=True, disposal=1
        )


def _palette(frames: Sequence[Image], colours: int = 256, apart: float = 10.0) -> Image:
    """The most frequent colours of all frames that are not nearly the same: flat areas keep theirs exactly."""
    from PIL import Image

    coded = np.concatenate([(np.asarray(frame, dtype=np.int64) @ (1 << 16, 1 << 8, 1)).ravel() for frame in frames])
    found, count = np.unique(coded, return_counts=True)
    frequent = found[np.argsort(-count, kind="stable")[:4000]]
    kept: list[NDArray[np.int64]] = []
    for colour in np.stack([frequent >> 16, frequent >> 8 & 255, frequent & 255], 1):
        if len(kept) < colours and (not kept or np.linalg.norm(np.stack(kept) - colour, axis=1).min() >= apart):
            kept.append(colour)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.stack(kept).astype(np.uint8).tobytes())
    return palette


def _pixels(figure: Figure) -> Image:
    from PIL import Image

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def draw_frame(dataset: Dataset, found: Successive, issued: int, name: str) -> Figure:
    """Draw one frame.

    Args:
        dataset: where the agent drives.
        found: positions that successive forecasts predicted.
        issued: how many of them have been issued; one more than there are stands for t̂ itself.
        name: of the model.
    """
    steps, arrived = len(found), issued > len(found)
    issued = min(issued, steps)
    row = found.point_row if arrived else int(found.rows[issued - 1])
    figure = Figure(figsize=_SIZE_IN, dpi=_DPI, layout="constrained")
    left, right = cast(Any, figure.subfigures(1, 2, width_ratios=(1.12, 1.0)))
    _draw_place(left, dataset, found, issued, row, arrived)
    spread, distance = right.subplots(2, 1, height_ratios=(1.25, 1.0))
    _draw_dispersion(spread, found, issued)
    _draw_convergence(distance, found, issued)
    figure.suptitle(f"{literal(name)}: what its most likely forecasts say about one place at one time t̂", fontsize=11)
    return figure


def _colours(found: Successive) -> list[Any]:
    """A colour an issue: early light, late dark, in a scale that grey and colour-blind readers see as one."""
    return [mpl.colormaps["cividis_r"](0.12 + 0.88 * k / max(len(found) - 1, 1)) for k in range(len(found))]


def _draw_place(part: Any, dataset: Dataset, found: Successive, issued: int, row: int, arrived: bool) -> None:
    axes = part.subplots()
    tracks = dataset.tracks
    view, half = _window(found, dataset)
    moment = moment_at(dataset, int(tracks.row_sample[row]))
    if moment.source is not None:
        draw_ground(axes, moment.source, view, 1.5 * half)
    _draw_others(axes, moment, row, view)
    draw_box(axes, moment.agents[int(np.flatnonzero(moment.rows == row)[0])], view, TARGET, order=9.0)
    axes.plot(*view(found.truth_m).T, "--", color=TRUTH, lw=1.0, zorder=6)
    colours = _colours(found)
    for k in range(issued - (not arrived)):
        path = np.vstack([found.truth_m[k], found.forecasts.most_likely_m()[k, : len(found) - k]])
        axes.plot(*view(path).T, "-", color=colours[k], lw=1.0, alpha=0.8, zorder=6.5)
    if not arrived:
        newest = issued - 1
        draw_modes(
            axes, found.truth_m[newest], found.forecasts.positions_m[newest], found.forecasts.probabilities[newest],
            view, found.step_s, order=7.0,
        )  # fmt: skip
    for k in range(issued):
        axes.plot(*view(found.predicted_m[k]), "o", color=colours[k], ms=6, mec="black", mew=0.5, zorder=9.5 + 0.01 * k)
    axes.plot(*view(found.truth_m[-1]), "P", color="white", mec=TRUTH, mew=1.1, ms=9, zorder=11)
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(-half, half)
    axes.set_ylim(-half, half)
    axes.set_xlabel("to the right, m", **_SMALL)
    axes.set_ylabel("ahead, m", **_SMALL)
    axes.tick_params(labelsize=8)
    now = "t̂ has come" if arrived else f"forecast issued {found.lead_s[issued - 1]:g} s before t̂"
    axes.set_title(f"{literal(moment.scene)}: {now}", fontsize=10)
    part.legend(handles=_legend(), loc="outside lower center", ncols=3, fontsize=8, frameon=False)


def _draw_others(axes: Axes, moment: Moment, row: int, view: View) -> None:
    for number, agent in enumerate(moment.agents):
        if moment.rows[number] == row:
            continue
        if moment.types[number] == AgentType.PEDESTRIAN:
            axes.plot(*view(agent.pose_world[:2]), "o", ms=3, mfc="white", mec=TARGET, mew=0.6, zorder=4)
        else:
            draw_box(axes, agent, view, OTHER)


def _window(found: Successive, dataset: Dataset) -> tuple[View, float]:
    """The agent drives up at first; the window holds its path and all positions predicted for the point."""
    heading = dataset.tracks.row_heading_rad[found.rows[0]]
    points = np.concatenate([found.truth_m, found.predicted_m])
    turned = View(np.array([*found.truth_m[0], heading]))
    seen = turned(points)
    centre = (seen.min(0) + seen.max(0)) / 2
    cos, sin = np.cos(heading), np.sin(heading)
    # `centre` is (right, ahead) of the first position.
    middle = found.truth_m[0] + centre[1] * np.array([cos, sin]) + centre[0] * np.array([sin, -cos])
    half = float(np.abs(seen - centre).max() + 9.0)
    return View(np.array([*middle, heading])), max(half, 18.0)


def _draw_dispersion(axes: Axes, found: Successive, issued: int) -> None:
    """The positions predicted for the point, around the truth; the circle's radius is D."""
    view = View(np.array([*found.truth_m[-1], _arrival_heading(found)]))
    every = view(found.predicted_m)
    said = every[:issued]
    centre, radius = said.mean(0), found.dispersion_m(issued)
    colours = _colours(found)
    for tau_m in RANGES_M:
        axes.add_patch(Circle((0, 0), tau_m, fill=False, ec="#808080", lw=0.8, ls=":", zorder=2))
        if tau_m >= 1:
            at = -tau_m * centre / max(float(np.linalg.norm(centre)), 1e-6)  # on the side where nothing was said
            axes.annotate(f"{tau_m:g} m", at, color="#606060", fontsize=7, ha="right", va="top", zorder=2)
    for point in said:
        axes.plot(*np.stack([centre, point]).T, "-", color=_DISPERSION, lw=0.6, alpha=0.7, zorder=3)
    for k, point in enumerate(said):
        axes.plot(*point, "o", color=colours[k], ms=7, mec="black", mew=0.5, zorder=5 + 0.01 * k)
    axes.add_patch(Circle(centre, radius, fill=False, ec=_DISPERSION, lw=1.8, zorder=4))
    axes.plot(*centre, "x", color=_DISPERSION, ms=7, mew=1.8, zorder=6)
    axes.plot(0, 0, "P", color="white", mec=TRUTH, mew=1.1, ms=11, zorder=4.5)
    low, high = np.minimum(every.min(0), -1.5), np.maximum(every.max(0), 1.5)
    middle, half = (low + high) / 2, float((high - low).max()) / 2 * 1.15
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(middle[0] - 1.5 * half, middle[0] + 1.5 * half)
    axes.set_ylim(middle[1] - half, middle[1] + half)
    axes.set_xlabel("to the right of the truth, m", **_SMALL)
    axes.set_ylabel("ahead of it, m", **_SMALL)
    axes.tick_params(labelsize=8)
    so_far = "" if issued == len(found) else f" of the first {issued}" if issued > 1 else " of the first one"
    axes.set_title(f"dispersion{so_far}: D = {radius:.2f} m", fontsize=10, color=_DISPERSION)


def _arrival_heading(found: Successive) -> float:
    """Direction in which the agent came to the point, radians."""
    moved = found.truth_m[-1] - found.truth_m[0]
    return float(np.arctan2(moved[1], moved[0]))


def _draw_convergence(axes: Axes, found: Successive, issued: int) -> None:
    """Distance of the predicted positions from the truth, against the time before t̂; bars last as long as C."""
    lead, off = found.lead_s[:issued], np.maximum(found.off_m[:issued], 0.02)
    colours = _colours(found)
    axes.plot(lead, off, "-", color="#808080", lw=0.8, zorder=2)
    for k in range(issued):
        axes.plot(lead[k], off[k], "o", color=colours[k], ms=6, mec="black", mew=0.5, zorder=4)
    said = []
    for tau_m in RANGES_M:
        within_s = found.within_s(tau_m, issued)
        axes.axhline(tau_m, color="#808080", lw=0.8, ls=":", zorder=1)
        if within_s > 0:
            end = float(lead[-1]) - found.step_s
            axes.plot(
                [end + within_s, end],
                [tau_m] * 2,
                "-",
                color=FORECAST,
                lw=4,
                solid_capstyle="butt",
                zorder=3,
            )
        said.append(f"{within_s:g}")
    axes.set_yscale("log")
    highest = max(float(found.off_m.max()), max(RANGES_M))
    axes.set_ylim(0.05, highest * 1.8)
    axes.set_yticks([0.1, *RANGES_M, 10], labels=["0.1", *(f"{tau:g}" for tau in RANGES_M), "10"])
    axes.minorticks_off()
    axes.set_xlim(found.lead_s[0] + 0.5 * found.step_s, 0)
    axes.set_xlabel("time before t̂, s", **_SMALL)
    axes.set_ylabel("distance from the truth, m", **_SMALL)
    axes.tick_params(labelsize=8)
    ranges = " / ".join(f"{tau_m:g}" for tau_m in RANGES_M)
    axes.set_title(f"convergence to range: C({ranges} m) = {' / '.join(said)} s", fontsize=10, color=FORECAST)


def _legend() -> list[Any]:
    style: dict[str, Any] = {"ls": "", "marker": "o", "mec": "black", "mew": 0.5, "ms": 6}
    scale = mpl.colormaps["cividis_r"]
    return [
        Line2D([], [], color=FORECAST, lw=2.4, label="newest forecast, all modes"),
        Line2D([], [], color=scale(0.4), lw=1.0, label="earlier ones, most likely mode"),
        Line2D([], [], color=TRUTH, ls="--", lw=1.0, label="truth"),
        Line2D([], [], color=scale(0.12), **style, label="said about t̂ early …"),
        Line2D([], [], color=scale(1.0), **style, label="… and late"),
        Line2D([], [], ls="", marker="P", color="white", mec=TRUTH, ms=8, label="where it really was at t̂"),
        Patch(facecolor=TARGET, label="the agent"),
        Patch(facecolor=OTHER, label="other vehicles"),
    ]
