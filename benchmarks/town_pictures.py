"""Pictures of towns with their traffic, and one scene as an animation.

    forecast town --out TOWN
    python benchmarks/town_pictures.py --dataroot TOWN --out DIR [--scene scene-0061]

Writes ``towns.png`` (three cities: the whole map, and the surroundings of the ego at one key frame) and ``SCENE.gif``
(20 s around the ego). Works on any nuScenes folder with map expansion.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from forecast.core.agents import EGO_CATEGORY, AgentType
from forecast.core.tracks import Tracks
from forecast.data.cache import Dataset, open_dataset
from forecast.data.maps.vector_map import VectorMap

GROUND = "#e9e6dc"
SURFACES = {"walkway": "#d3cab8", "drivable_area": "#8d9196", "carpark_area": "#a3a8ae", "ped_crossing": "#eceff1"}
LINES = {"lane_divider": ("#dfe3e6", 0.5), "road_divider": ("#e5c04d", 0.8)}
COLOURS = {AgentType.VEHICLE: "#2b6cb0", AgentType.PEDESTRIAN: "#c53030", AgentType.CYCLIST: "#2f855a"}
STANDING, EGO = "#4a5568", "#dd6b20"


def outline_of(shape: Polygon) -> Outline:
    """A polygon with holes as a path."""
    rings = [np.asarray(ring.coords) for ring in (shape.exterior, *shape.interiors)]
    codes = [[Outline.MOVETO] + [Outline.LINETO] * (len(r) - 2) + [Outline.CLOSEPOLY] for r in rings]
    return Outline(np.concatenate(rings), np.concatenate(codes))


def geometries(town: VectorMap, layer: str) -> Iterable[BaseGeometry]:
    """What a map holds of a layer."""
    return town.geometries(layer) if layer in town.layers else ()


def draw_map(axes: Axes, town: VectorMap) -> None:
    """Surfaces, crossings and dividers of a whole map."""
    axes.set_facecolor(GROUND)
    for order, (layer, colour) in enumerate(SURFACES.items()):
        for shape in geometries(town, layer):
            for part in getattr(shape, "geoms", [shape]):
                axes.add_patch(PathPatch(outline_of(part), facecolor=colour, linewidth=0, zorder=order))
    for layer, (colour, width) in LINES.items():
        for line in geometries(town, layer):
            axes.plot(*np.asarray(line.coords).T, color=colour, linewidth=width, zorder=4)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])


def boxes(tracks: Tracks, rows: np.ndarray) -> np.ndarray:
    """(rows, 4, 2) corners of the annotated boxes."""
    corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) / 2
    local = corners * tracks.row_size_m[rows][:, None]
    cos, sin = np.cos(tracks.row_heading_rad[rows]), np.sin(tracks.row_heading_rad[rows])
    turn = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], 1)
    return np.asarray(tracks.row_position_m[rows][:, None] + local @ turn)


def colours(tracks: Tracks, rows: np.ndarray) -> list[str]:
    """By kind; vehicles that never move in grey, the ego in orange."""
    found = []
    for track in tracks.row_track[rows]:
        first, end = tracks.first_row[track : track + 2]
        still = np.ptp(tracks.row_position_m[first:end], axis=0).max() < 1.0
        kind = AgentType(int(tracks.track_types[track]))
        if tracks.track_categories[track] == EGO_CATEGORY:
            found.append(EGO)
        else:
            found.append(STANDING if still and kind == AgentType.VEHICLE else COLOURS.get(kind, "black"))
    return found


def ego_at(tracks: Tracks, sample: int) -> np.ndarray:
    """Where the ego is at a key frame."""
    rows = np.flatnonzero(tracks.row_sample == sample)
    return np.asarray(tracks.row_position_m[rows[tracks.track_categories[tracks.row_track[rows]] == EGO_CATEGORY][0]])


def draw_agents(axes: Axes, tracks: Tracks, sample: int) -> PolyCollection:
    """All agents of a key frame."""
    rows = np.flatnonzero(tracks.row_sample == sample)
    return axes.add_collection(
        PolyCollection(boxes(tracks, rows), facecolors=colours(tracks, rows), edgecolors="white", lw=0.3, zorder=6)
    )


def look_at(axes: Axes, middle_m: np.ndarray, reach_m: float) -> None:
    """Show the surroundings of a point."""
    axes.set_xlim(middle_m[0] - reach_m, middle_m[0] + reach_m)
    axes.set_ylim(middle_m[1] - reach_m, middle_m[1] + reach_m)


def samples_of(tracks: Tracks, scene: str) -> np.ndarray:
    """Key frames of a scene, in order."""
    return np.flatnonzero(tracks.sample_scene == tracks.scene_names.tolist().index(scene))


def picture(dataset: Dataset, scenes: Iterable[str], path: Path, dpi: int) -> None:
    """Whole maps above, the surroundings of the egos below."""
    tracks, scenes = dataset.tracks, list(scenes)
    figure, grid = plt.subplots(2, len(scenes), figsize=(5 * len(scenes), 10), squeeze=False)
    for scene, (above, below) in zip(scenes, grid.T, strict=True):
        name = str(tracks.scene_maps[tracks.scene_names.tolist().index(scene)])
        town, sample = dataset.load_map(name), samples_of(tracks, scene)[20]
        for axes in (above, below):
            draw_map(axes, town)
            draw_agents(axes, tracks, sample)
        shown = np.array([shape.bounds for shape in geometries(town, "drivable_area")])
        above.set_xlim(shown[:, 0].min() - 15, shown[:, 2].max() + 15)
        above.set_ylim(shown[:, 1].min() - 15, shown[:, 3].max() + 15)
        look_at(below, ego_at(tracks, sample), 75.0)
        above.set_title(name, fontsize=10)
        below.set_title(f"{scene}, 150 m around the ego", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=dpi, pil_kwargs={"optimize": True})
    plt.close(figure)


def animation(dataset: Dataset, scene: str, path: Path) -> None:
    """One scene, 120 m around where the ego is."""
    tracks, samples = dataset.tracks, samples_of(dataset.tracks, scene)
    town = dataset.load_map(str(tracks.scene_maps[tracks.scene_names.tolist().index(scene)]))
    figure, axes = plt.subplots(figsize=(6, 6))
    figure.subplots_adjust(0, 0, 1, 1)
    draw_map(axes, town)
    shown: list[PolyCollection] = []

    def show(frame: int) -> list[PolyCollection]:
        while shown:
            shown.pop().remove()
        shown.append(draw_agents(axes, tracks, samples[frame]))
        look_at(axes, ego_at(tracks, samples[frame]), 60.0)
        return shown

    FuncAnimation(figure, show, frames=len(samples), cache_frame_data=False).save(path, PillowWriter(fps=4), dpi=80)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataroot", type=Path, required=True)
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scene", help="which scene to animate (default: the first)")
    parser.add_argument("--dpi", type=int, default=80)
    args = parser.parse_args()
    dataset = open_dataset(args.dataroot, args.version)
    args.out.mkdir(parents=True, exist_ok=True)
    names, maps = dataset.tracks.scene_names.tolist(), dataset.tracks.scene_maps.tolist()
    first = {town: scene for scene, town in reversed(list(zip(names, maps, strict=True)))}
    picture(dataset, sorted(first.values())[:3], args.out / "towns.png", args.dpi)
    scene = args.scene or names[0]
    animation(dataset, scene, args.out / f"{scene}.gif")
    print(f"wrote {args.out / 'towns.png'} and {args.out / f'{scene}.gif'}")


if __name__ == "__main__":
    main()
