"""The list of the report's metrics, in the order of its tables. To add one, add an entry (docs/extend/metric.md).

Scoring measures what stands here, ``report.json`` holds it under its key, and tables, the page, the table of
docs/metrics.md and the classes of :func:`forecast.eval.metrics.metric_of` are made from it.
"""

from __future__ import annotations

from collections.abc import Callable

from forecast.eval.comfort import extended_comfort
from forecast.eval.consistency import RANGES_M, Reading, convergence_of, dispersion_of
from forecast.eval.distribution import nll, sample_ade, sample_fde
from forecast.eval.evidence import (
    AgentEvidence,
    HardnessEvidence,
    PairEvidence,
    PointEvidence,
    RevisionEvidence,
    RoadEvidence,
    SampleEvidence,
)
from forecast.eval.flip_flop import flip_flop_across, flip_flop_along
from forecast.eval.hardest import on_hardest
from forecast.eval.metric_spec import MetricSpec, Source
from forecast.eval.offroad import likeliest_off_road, share_off_road
from forecast.eval.overlap import FLIP_M, endpoint_jitter, mode_flips, shifted_overlap, transport_overlap
from forecast.eval.results import PerItem
from forecast.eval.revisions import revision_efficiency

#: Shares of the agent-samples, hardest first, that minFDE_1 is given on too (CAB paper, table 3).
HARDEST_PERCENT = (1, 2, 3)
#: How many of the most probable modes compete.
KS = (1, 5, 10)

_FULL = "needs covariances or samples, which only files of rows carry (docs/forecasts-format.md)"
_MAP = "needs a nuScenes map: score on a data set, or give rows a map expansion (--map FILE.json)"


def _min_ade(k: int, heading: str = "") -> MetricSpec:
    return MetricSpec(
        f"min_ade_{k}", "agents", lambda found: found.displacements.min_ade_k(k),
        f"smallest mean displacement of the {_modes(k)}", "m", heading,
        function="displacement.min_ade_k", torch_class=f"MinADE({k})", checked="devkit `MinADEK`",
    )  # fmt: skip


def _min_fde(k: int, heading: str = "") -> MetricSpec:
    return MetricSpec(
        f"min_fde_{k}", "agents", lambda found: found.displacements.min_fde_k(k),
        f"smallest displacement at the last step of the {_modes(k)}", "m", heading,
        function="displacement.min_fde_k", torch_class=f"MinFDE({k})", checked="devkit `MinFDEK`",
    )  # fmt: skip


def _miss_rate(k: int, heading: str = "") -> MetricSpec:
    return MetricSpec(
        f"miss_rate_{k}_2m", "agents", lambda found: found.displacements.miss_k(k),
        f"share of agents whose {_modes(k)} {'is' if k == 1 else 'are all'} somewhere 2 m off or more", "share",
        heading,
        function="displacement.miss_rate_k", torch_class=f"MissRate({k})", checked="devkit `MissRateTopK`",
    )  # fmt: skip


def _brier(k: int) -> MetricSpec:
    return MetricSpec(
        f"brier_min_fde_{k}", "agents", lambda found: found.displacements.brier_min_fde_k(k),
        f"minFDE_{k} + (1 − p)² of that mode", "m",
        function="displacement.brier_min_fde_k", torch_class=f"BrierMinFDE({k})", checked="by hand",
    )  # fmt: skip


def _modes(k: int) -> str:
    return "most probable mode" if k == 1 else f"{k} most probable modes"


def _off_road(
    source: Source, key: str, headings: tuple[str, str, str], rule: str, lacking: tuple[str, str, str]
) -> tuple[MetricSpec, ...]:
    """Of all modes, of the most likely one, and of samples of the full distribution."""
    samples: Source = "road samples" if source == "road" else "polygon samples"
    exact = source == "polygons"
    function = "offroad.off_road_exact" if exact else "offroad.off_road_rate"
    return (
        MetricSpec(
            f"{key}_rate", source, _share_off, f"share of modes that leave the drivable area, {rule}", "share",
            headings[0], lacking=lacking[0], function=function, torch_class="" if exact else "OffRoadRate",
            checked="by hand" if exact else "devkit, mode by mode", rigid=exact,
        ),
        MetricSpec(
            f"{key}_ml", source, _likeliest_off, f"share of most likely modes that leave it, {rule}", "share",
            headings[1], lacking=lacking[1], function=function if exact else "offroad.off_road_ml",
            torch_class="" if exact else "OffRoadML", checked="by hand", rigid=exact,
        ),
        MetricSpec(
            f"{key}_f", samples, _share_off, f"share of samples of the distribution that leave it, {rule}", "share",
            headings[2], lacking=lacking[2], function=function if exact else "distribution.sample_off_road",
            torch_class="" if exact else "OffRoadRate", checked="by hand", rigid=exact,
        ),
    )  # fmt: skip


def _share_off(found: RoadEvidence) -> PerItem:
    return share_off_road(found.off, found.valid)


def _likeliest_off(found: RoadEvidence) -> PerItem:
    return likeliest_off_road(found.off, found.valid, found.probabilities)


def _nll(found: AgentEvidence) -> PerItem:
    return nll(found.modes_m, found.probabilities, found.covariances_m2, found.truth_m, found.valid)


def _sample_ade(found: SampleEvidence) -> PerItem:
    return sample_ade(found.samples_m, found.truth_m)


def _sample_fde(found: SampleEvidence) -> PerItem:
    return sample_fde(found.samples_m, found.truth_m)


def _hardest(percent: int) -> MetricSpec:
    def measure(found: HardnessEvidence) -> PerItem:
        return on_hardest(found.metric, found.hardness, percent)

    return MetricSpec(
        f"min_fde_1.{percent}", "hardest", measure,
        f"minFDE_1 on the {percent} % that a causal constant-velocity Kalman filter forecasts worst", "m",
        "FDE hardest 1 %" if percent == 1 else "", function="hardest.on_hardest", checked="textbook filter",
    )  # fmt: skip


def _dispersion(reading: Reading) -> Callable[[PointEvidence], PerItem]:
    def measure(found: PointEvidence) -> PerItem:
        said = found.points
        return dispersion_of(said.predicted_m, said.valid, reading=reading, window=found.window, minimum=found.minimum)

    return measure


def _spread(key: str, source: Source, reading: Reading, heading: str, definition: str) -> MetricSpec:
    return MetricSpec(
        key, source, _dispersion(reading), definition, "m", heading, short=heading == "D",
        function="consistency.dispersion_of", torch_class=_dispersion_class(source, reading),
        checked="a loop from the definition",
    )  # fmt: skip


def _dispersion_class(source: Source, reading: Reading) -> str:
    if source != "points":
        return ""
    return "Dispersion()" if reading == "mean_distance" else f'Dispersion(reading="{reading}")'


def _convergence(key: str, source: Source, tau_m: float, heading: str) -> MetricSpec:
    def measure(found: PointEvidence) -> PerItem:
        said = found.points
        window, minimum = found.window, found.minimum
        return convergence_of(
            said.predicted_m, said.truth_m, said.valid, tau_m=tau_m, step_s=said.step_s, window=window, minimum=minimum
        )

    return MetricSpec(
        f"{key}.{tau_m:.1f}", source, measure,
        f"C({tau_m:g} m): for how long before a point all forecasts were within {tau_m:g} m of it"
        + (", of the mode closest to the truth" if source == "closest points" else ""),
        "s", heading, short=source == "points", lower_is_better=False, function="consistency.convergence_of",
        torch_class=f"ConvergenceToRange({tau_m:g})" if source == "points" else "",
        checked="a loop from the definition",
    )  # fmt: skip


def _overlap(found: PairEvidence) -> PerItem:
    return shifted_overlap(found.forecasts, found.pairs)


def _overlap_within(seconds: int) -> MetricSpec:
    def measure(found: PairEvidence) -> PerItem:
        return shifted_overlap(found.forecasts, found.pairs, within_s=float(seconds))

    return MetricSpec(
        f"overlap_by_horizon_m.{seconds}", "pairs", measure,
        f"overlap over the times up to {seconds} s after the later issue", "m", short=False,
        function="overlap.shifted_overlap", checked="a loop from the definition",
    )  # fmt: skip


def _transport(found: PairEvidence) -> PerItem:
    return transport_overlap(found.forecasts, found.pairs)


def _flips(found: PairEvidence) -> PerItem:
    return mode_flips(found.forecasts, found.pairs, tau_m=FLIP_M)


def _jitter(found: PairEvidence) -> PerItem:
    return endpoint_jitter(found.forecasts, found.pairs, found.present_m)


def _comfort(found: PairEvidence) -> PerItem:
    return extended_comfort(found.forecasts, found.pairs)


def _flip_flop_along(found: PointEvidence) -> PerItem:
    return flip_flop_along(found.points)


def _flip_flop_across(found: PointEvidence) -> PerItem:
    return flip_flop_across(found.points)


def _efficiency(found: RevisionEvidence) -> PerItem:
    return revision_efficiency(found.by_track_m2)


#: All metrics of the report, in the order of its tables.
METRICS: tuple[MetricSpec, ...] = (
    *(_min_ade(k, f"minADE_{k}") for k in KS),
    _min_fde(1, "minFDE_1"),
    _min_fde(5),
    _min_fde(10),
    _miss_rate(1),
    _miss_rate(5, "MissRate_5"),
    _miss_rate(10),
    *(_brier(k) for k in KS),
    *_off_road(
        "road", "off_road", ("OffRoad", "OffR-ML", "OffR-f"), "by the devkit's raster and spline",
        (_MAP, _MAP, "needs covariances or samples, and a map: rows with --map"),
    ),
    *_off_road(
        "polygons", "off_road_exact", ("OffRoad exact", "OffR-ML exact", "OffR-f exact"),
        "the polyline against the polygons",
        ("needs drivable polygons: --map FILE.geojson for rows, --exact-off-road on a data set", "", ""),
    ),
    MetricSpec(
        "nll_nats", "agents", _nll, "negative log-likelihood of the joint mixture over the steps, unclipped", "nats",
        "NLL, nats", needs=("covariances",),
        lacking="needs covariances, which only files of rows carry (docs/forecasts-format.md)",
        function="distribution.nll", torch_class="NLL()", checked="torch's mixture",
    ),
    MetricSpec(
        "ade_f_m", "samples", _sample_ade, "mean displacement of samples of the full distribution", "m", "ADE-f",
        lacking=_FULL, function="distribution.sample_ade", torch_class="SampleADE()", checked="by hand",
    ),
    MetricSpec(
        "fde_f_m", "samples", _sample_fde, "the same at the last step", "m", "FDE-f",
        lacking=_FULL, function="distribution.sample_fde", torch_class="SampleFDE()", checked="by hand, Rayleigh",
    ),
    *(_hardest(percent) for percent in HARDEST_PERCENT),
    _spread(
        "dispersion_m", "points", "mean_distance", "D", "D: mean distance of successive forecasts to their barycentre",
    ),
    _spread("dispersion_rms_m", "points", "rms", "D rms", "the same, root mean square"),
    _spread(
        "dispersion_std_of_norms_m", "points", "std_of_norms", "D std", "the same, standard deviation of the distances"
    ),
    *(_convergence("convergence_s", "points", tau_m, f"C {tau_m:g} m") for tau_m in RANGES_M),
    _spread(
        "closest_mode_dispersion_m", "closest points", "mean_distance", "D, closest mode",
        "D of the mode closest to the truth",
    ),
    _spread("closest_mode_dispersion_rms_m", "closest points", "rms", "", "the same, root mean square"),
    *(
        _convergence("closest_mode_convergence_s", "closest points", tau_m, "C 1 m, closest mode" if tau_m == 1 else "")
        for tau_m in RANGES_M
    ),
    MetricSpec(
        "overlap_m", "pairs", _overlap, "distance of the most likely modes of successive forecasts at the same times",
        "m", "overlap", short=False, function="overlap.shifted_overlap", checked="by hand",
    ),
    *(_overlap_within(seconds) for seconds in range(1, 7)),
    MetricSpec(
        "transport_overlap_m", "slow pairs", _transport, "the same of all modes, by optimal transport", "m",
        "overlap, all modes", lacking="takes some milliseconds a pair of forecasts: ask for it with --transport",
        function="overlap.transport_overlap", checked="by hand",
    ),
    MetricSpec(
        "endpoint_jitter_m", "tracks", _jitter, "root mean square of the end-point's second difference", "m",
        "end-point jitter", short=False, function="overlap.endpoint_jitter", checked="by hand",
    ),
    MetricSpec(
        "mode_flip_rate", "pairs", _flips,
        f"share of pairs whose most likely mode jumps by over {FLIP_M:g} m although another mode stays", "share",
        "mode-flip rate", short=False, function="overlap.mode_flips", checked="by hand",
    ),
    MetricSpec(
        "extended_comfort", "pairs", _comfort,
        "share of pairs whose accelerations, jerks and turning at the same times differ by little (NAVSIM v2)", "share",
        "extended comfort", short=False, lower_is_better=False, function="comfort.extended_comfort",
        checked="a loop from the definition",
    ),
    MetricSpec(
        "flip_flop_along_m", "points", _flip_flop_along,
        "to and fro of successive forecasts of a point along the truth's direction, beyond the way from first to last",
        "m", "flip-flop along", short=False, function="flip_flop.flip_flop_along", checked="the package `scores`",
    ),
    MetricSpec(
        "flip_flop_across_m", "points", _flip_flop_across, "the same across it", "m", "flip-flop across", short=False,
        function="flip_flop.flip_flop_across", checked="the package `scores`",
    ),
    MetricSpec(
        "revision_efficiency", "revisions", _efficiency,
        "correlation of successive revisions of the mean forecast: 0 rational, below 0 flickering, above 0 stubborn",
        "", "revision efficiency", short=False, zero_is_best=True, function="revisions.revision_efficiency",
        checked="forecasters whose odds are known",
    ),
)  # fmt: skip


def metrics_of(*sources: Source, extra: tuple[MetricSpec, ...] = ()) -> tuple[MetricSpec, ...]:
    """Those that are measured from one of these, in the order of the list; those from outside follow."""
    return tuple(spec for spec in (*METRICS, *extra) if spec.source in sources)


def metric(key: str) -> MetricSpec:
    """The metric of a key.

    Raises:
        KeyError: there is none.
    """
    for spec in METRICS:
        if spec.key == key:
            return spec
    raise KeyError(f"no metric {key!r}; there are {', '.join(spec.key for spec in METRICS)}")
