"""Writes where forecasts look as the page reads it; ``script/attention.js`` reads the same order."""

from __future__ import annotations

from typing import Any

import numpy as np

from forecast.view.attention_shares import AttentionShares
from forecast.view.packing import Pack

#: A cell's share is told as so many parts of the largest of its forecast; units of that one and of the other shares.
PARTS, LARGEST_SHARE, PART_SHARE = 255, 1e-5, 0.001


def attention_layout(attention: AttentionShares) -> dict[str, Any]:
    """How the cells lie: how many ahead and to the left, and how far they reach around the agent, metres."""
    _, ahead, left = attention.cells.shape
    crop = attention.crop
    return {
        "cells": [ahead, left],
        "ahead_m": crop.ahead_m,
        "behind_m": crop.behind_m,
        "left_m": crop.left_m,
        "right_m": crop.right_m,
    }


def pack_attention(pack: Pack, attention: AttentionShares) -> None:
    """Add the shares of forecasts, in their order."""
    for shares in (attention.own, attention.nothing, attention.neighbours):
        pack.measured(shares, PART_SHARE)
    rows, ahead, left = attention.cells.shape
    cells = attention.cells.reshape(rows, ahead * left)
    largest = cells.max(1, initial=0.0)
    pack.measured(largest, LARGEST_SHARE)
    pack.whole(np.rint(PARTS * cells / np.where(largest > 0, largest, 1.0)[:, None]))
