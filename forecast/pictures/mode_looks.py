"""Draws where each mode of a network looks: its shares of attention on the map, and its path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from forecast.core.errors import ConfigError
from forecast.pictures.crop_panel import frame_panel, image_options, shade_off_road, tallness
from forecast.pictures.literal import literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from forecast.core.batch import AgentBatch
    from forecast.model.mode_attention import ModeAttention
    from forecast.model.network_protocol import Network

_PANEL_IN, _MOST = 2.3, 6
_PATH, _TRUTH = "#d7191c", "#000000"
#: The brightest cell has this much of the colour; all panels share the scale.
_COLOURS = "Blues"


def draw_looks(batch: AgentBatch, network: Network, title: str) -> Figure:
    """Draw the modes that an answer holds, the most probable first, each over what it looked at.

    Args:
        batch: one agent, with its crop.
        network: that can say where it looks.
        title: written above.

    Raises:
        ConfigError: the network cannot say, or reads no map.
        ValueError: not one agent.
    """
    import torch

    if len(batch) != 1:
        raise ValueError(f"expected one agent, got {len(batch)}")
    with torch.no_grad():
        looked = network.attention(batch)
        mixture = network.mixture(batch)
        answer = network.answer(mixture)
    if looked is None or not network.config.uses_map or batch.crop is None:
        raise ConfigError(
            f"a network '{network.config.network}' without a map or attention cannot say where its modes look; "
            "'query' with its map can"
        )
    order = answer.probabilities[0].argsort(descending=True, stable=True)[:_MOST]
    order = order[answer.probabilities[0, order] > 0]
    paths = answer.positions_m[0, order].numpy()
    # An answer holds modes of the mixture, and attention is told of those.
    same = (answer.positions_m[0, order, None] == mixture.positions_m[0]).all(3).all(2)
    modes = same.int().argmax(1)
    shares = looked.cells[0, modes].numpy()
    spec = network.config.crop
    tall = tallness(spec)
    figure = Figure(figsize=(_PANEL_IN * len(paths) + 0.9, _PANEL_IN * tall + 1.5), layout="constrained")
    axes: Any = figure.subplots(1, len(paths), sharex=True, sharey=True, squeeze=False)[0]
    truth = batch.future[0].numpy()[batch.future_valid[0].numpy()]
    for rank, axis in enumerate(axes):
        cells = _show(axis, batch, network, shares[rank], shares.max())
        axis.plot(truth[:, 1], truth[:, 0], "--", color=_TRUTH, lw=1.2)
        axis.plot(paths[rank, :, 1], paths[rank, :, 0], ".-", color=_PATH, lw=1.4, ms=4)
        said = _said(looked, modes[rank])
        axis.set_title(f"p = {float(answer.probabilities[0, order[rank]]):.0%}\n{said}", fontsize=7.5)
    axes[0].set_ylabel("ahead, m", fontsize=8)
    bar = figure.colorbar(cells, ax=list(axes), shrink=0.6, pad=0.01)
    bar.set_label("share of a mode's attention in a cell", fontsize=7.5)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(literal(title) + "\nred: the mode; dashed: the truth", fontsize=9)
    return figure


def _said(looked: ModeAttention, mode: Any) -> str:
    """How a mode's attention is shared out, in two lines."""
    parts = {"map": looked.cells[0, mode].sum(), "own past": looked.own[0, mode], "nothing": looked.nothing[0, mode]}
    if looked.neighbours.shape[2]:
        parts["others"] = looked.neighbours[0, mode].sum()
    words = [f"{name} {float(share):.0%}" for name, share in parts.items()]
    return f"{', '.join(words[:2])},\n{', '.join(words[2:])}"


def _show(axis: Axes, batch: AgentBatch, network: Network, shares: Any, most: float) -> Any:
    """The road in grey under the shares; forward is up, left is left."""
    assert batch.crop is not None
    spec = network.config.crop
    cells = axis.imshow(shares, cmap=_COLOURS, vmin=0, vmax=most, **image_options(spec))
    shade_off_road(axis, batch.crop[0].numpy(), spec)
    frame_panel(axis, spec, batch)
    present = batch.neighbours[0, batch.neighbours_valid[0, :, -1], -1].numpy()
    axis.plot(present[:, 1], present[:, 0], "s", color="#666666", ms=4)
    return cells
