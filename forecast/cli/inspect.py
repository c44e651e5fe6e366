"""Draw exactly what the network sees of one agent: each map channel, and the agents with their past."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from matplotlib.axes import Axes

    from forecast.core.batch import AgentBatch
    from forecast.core.crops import CropSpec
    from forecast.data.cache import Dataset

_TARGET, _NEIGHBOUR = "#d62728", "#1f77b4"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--dataroot", required=True, metavar="DIR", help="nuScenes folder")
    parser.add_argument("--version", required=True, metavar="V", help="e.g. v1.0-mini")
    parser.add_argument("--sample", required=True, metavar="INSTANCE_SAMPLE", help="instance token _ sample token")
    parser.add_argument("--out", required=True, metavar="PICTURE", help="picture to write: .png, .pdf or .svg")
    parser.add_argument("--crop", choices=("default", "paper"), default="default", help="extent and resolution")
    parser.add_argument("--engine", choices=("baked", "exact"), default="baked", help="how the map is drawn")
    parser.add_argument("--cache", metavar="DIR", help="where prepared data are kept")


def run(args: argparse.Namespace) -> None:
    """Draw the picture."""
    import dataclasses

    import numpy as np

    from forecast.core.crops import PAPER_CROP, CropSpec
    from forecast.core.errors import DataError
    from forecast.data.cache import open_dataset
    from forecast.data.dataset import NuScenesForecasts
    from forecast.data.maps.crop import Cropper
    from forecast.data.maps.layers import load_map
    from forecast.data.samples import Samples

    instance, separator, sample = args.sample.partition("_")
    if not separator:
        raise DataError(f"--sample {args.sample!r}: expected two tokens joined by an underscore, INSTANCE_SAMPLE")
    dataset = open_dataset(args.dataroot, args.version, args.cache)
    row = dataset.locate(instance, sample)
    batch = NuScenesForecasts.of(dataset, Samples(np.array([row]))).batch([0])
    spec = PAPER_CROP if args.crop == "paper" else CropSpec()
    cropper = Cropper(
        lambda name: load_map(dataset.map_expansion_path(name)), dataset.map_names, spec, args.engine, args.cache
    )
    batch = dataclasses.replace(batch, crop=cropper(batch.pose_world, batch.map_index))
    _draw(dataset, row, batch, spec, args.out)
    print(f"wrote {args.out}")


def _draw(dataset: Dataset, row: int, batch: AgentBatch, spec: CropSpec, out: str) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from forecast.core.errors import DataError
    from forecast.core.files import written_whole

    assert batch.crop is not None
    names = [" ∪ ".join(layers) for layers in spec.channels]
    panels = len(names) + 1
    height_in = 3.4 * (spec.ahead_m + spec.behind_m) / (spec.left_m + spec.right_m) + 1.0
    figure = Figure(figsize=(3.4 * panels + 1.0, height_in), layout="constrained")
    axes = figure.subplots(1, panels, sharex=True, sharey=True)
    for channel, (axis, name) in enumerate(zip(axes, names, strict=False)):
        picture = _show(axis, batch.crop[0, channel].numpy(), spec)
        axis.set_title(f"channel {channel}\n{_wrapped(name)}", fontsize=9)
    figure.colorbar(picture, ax=axes.tolist(), label="share of the pixel covered", shrink=0.6)
    _show_agents(axes[-1], batch, spec)
    axes[-1].set_title("history and neighbours (2 s)\nover all channels", fontsize=9)
    axes[0].set_ylabel("x [m]   forward →")
    for axis in axes:
        axis.set_xlabel("← left   y [m]   right →")
    _, height, width = spec.shape
    figure.suptitle(f"{_about(dataset, row)}\n{height} × {width} px at {spec.px_per_m:g} px/m", fontsize=10)
    known = mpl.backend_bases.FigureCanvasBase.get_supported_filetypes()
    if out.rpartition(".")[2].lower() not in known:
        raise DataError(f"--out {out}: expected a picture's name, ending in .png, .pdf or .svg")
    with written_whole(out) as temporary:
        figure.savefig(temporary, dpi=130)


def _wrapped(name: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(name, 30))


def _about(dataset: Dataset, row: int) -> str:
    tracks = dataset.tracks
    track = int(tracks.row_track[row])
    scene = int(tracks.track_scene[track])
    return (
        f"{tracks.track_categories[track]} in {tracks.scene_names[scene]}, {tracks.scene_maps[scene]} — "
        f"{tracks.track_tokens[track]}_{tracks.sample_tokens[tracks.row_sample[row]]}"
    )


def _show(axis: Axes, image: np.ndarray[Any, Any], spec: CropSpec) -> Any:
    """Show an image in metres: forward is up and, as +y points left, the y axis runs leftwards."""
    extent = (-spec.right_m, spec.left_m, -spec.behind_m, spec.ahead_m)
    picture = axis.imshow(image, origin="lower", extent=extent, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set_xlim(spec.left_m, -spec.right_m)
    axis.set_ylim(-spec.behind_m, spec.ahead_m)
    axis.annotate("", (0, 4), (0, 0), arrowprops={"arrowstyle": "-|>", "color": _TARGET, "lw": 1.5})
    axis.plot(0, 0, "o", color=_TARGET, ms=3)
    return picture


def _show_agents(axis: Axes, batch: AgentBatch, spec: CropSpec) -> None:
    import numpy as np

    assert batch.crop is not None
    union = batch.crop[0].numpy()
    shades = np.linspace(0.25, 0.75, len(union))[:, None, None]
    _show(axis, (union * shades).max(0), spec)
    for history, valid in zip(batch.neighbours[0], batch.neighbours_valid[0], strict=True):
        _show_track(axis, history, valid, _NEIGHBOUR)
    _show_track(axis, batch.history[0], batch.history_valid[0], _TARGET)
    length, width = batch.size_m[0].tolist()
    axis.add_patch(_box(length, width))
    handles = [axis.plot([], [], "o-", color=colour, ms=3)[0] for colour in (_TARGET, _NEIGHBOUR)]
    count = int(batch.neighbours_valid[0].any(1).sum())
    axis.legend(handles, ["target", f"{count} neighbours"], fontsize=7, loc="lower left")


def _box(length_m: float, width_m: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((-width_m / 2, -length_m / 2), width_m, length_m, fill=False, edgecolor=_TARGET, lw=1)


def _show_track(axis: Axes, history: torch.Tensor, valid: torch.Tensor, colour: str) -> None:
    """Draw one agent's past, fainter the older it is."""
    import numpy as np

    past = history[valid].numpy()
    if len(past):
        axis.plot(past[:, 1], past[:, 0], "-", color=colour, lw=1, alpha=0.6)
        fading = np.linspace(0.3, 1.0, len(past)).tolist()
        for (left, ahead), alpha in zip(past[:, [1, 0]], fading, strict=True):
            axis.plot(left, ahead, "o", color=colour, ms=2, alpha=alpha)
        axis.scatter(past[-1, 1], past[-1, 0], s=10, color=colour)
