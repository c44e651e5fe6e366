"""Documents of report.json that are made up, so that a test knows what must be said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Value, and the two ends of its interval.
Figure = tuple[float, float | None, float | None]


def figure(found: Figure, count: int = 500) -> dict[str, Any]:
    value, low, high = found
    return {"value": value, "count": count, "ci_low": low, "ci_high": high}


def body(name: str, *, points: int = 900, tracks: int = 80, **metrics: Figure) -> dict[str, Any]:
    """One file of single-mode forecasts; metrics by their key, ``dispersion_m`` among them."""
    fde = metrics.get("min_fde_1", (5.0, 4.0, 6.0))
    spread = {"dispersion_m": figure(metrics.pop("dispersion_m", (2.0, 1.5, 2.5)), points)}
    metrics = {"min_ade_1": (2.0, 1.0, 3.0), "min_ade_5": (2.0, 1.0, 3.0), "min_fde_1": fde} | metrics
    by_label = {"left": {key: figure(metrics[key], 40) for key in ("min_ade_1", "min_fde_1", "min_ade_5")}}
    return {
        "name": name,
        "metrics": {key: figure(found) for key, found in metrics.items()},
        "error_by_horizon_m": [{"horizon_s": 6.0, **figure(fde)}],
        "hardest": {
            "kalman_acceleration_mps2": 1.0,
            "kalman_observation_m": 0.1,
            "min_fde_1": {"1": figure((20.0, None, None), 5)},
        },
        "calibration": {"stated": [None, 1.0], "observed": [None, 1.0], "count": [0, 500], "error": 0.0},
        "temporal": spread,
        "temporal_shared": spread,
        "strata": {"manoeuvre": by_label},
        "coverage": {"agent_samples": 500, "tracks": tracks},
        "not_computable": {"nll_nats": "needs covariances"},
        "warnings": [f"a warning of {name}"],
    }


def pair(first: str, second: str, *, tracks: int = 80, points: int = 900, **found: Figure) -> dict[str, Any]:
    """What ``second`` minus ``first`` is, by metric."""
    groups: dict[str, Any] = {"metrics": {}, "temporal": {}}
    for key, (value, low, high) in found.items():
        group, count = ("temporal", points) if key == "dispersion_m" else ("metrics", 500)
        groups[group][key] = {"difference": value, "count": count, "tracks": tracks, "ci_low": low, "ci_high": high}
    return {"first": first, "second": second, **groups}


def document(bodies: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    head = {"split": "val", "population": "challenge", "dataset": {"version": "v1.0-made"}}
    return head | (dict(bodies[0]) if len(bodies) == 1 else {"reports": list(bodies), "comparisons": list(pairs)})
