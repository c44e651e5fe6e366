"""What the reader must know of metrics from outside: values that do not count, and metrics that were not measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from forecast.eval.metric_spec import MetricSpec
from forecast.scoring.scores import Scores


def about_own(scores: Scores, own: Sequence[MetricSpec]) -> Iterator[str]:
    """One line for each metric from outside that lacks values.

    Points and pairs mostly count in part by their nature: of these it is told only where none counts.

    Args:
        scores: of a whole file.
        own: the metrics from outside.
    """
    measured = scores.agents | scores.points | scores.stability.pairs | scores.stability.of_tracks
    for spec in own:
        if spec.source == "hardest":
            continue  # of the report alone, on a chosen few
        if spec.key not in measured:
            yield f"{spec.key} is not measured: these forecasts, or the options, give nothing of {spec.source!r}"
            continue
        valid = measured[spec.key].valid
        lost = int((~valid).sum())
        if lost and (spec.path[0] == "metrics" or lost == len(valid)):
            yield f"{lost} of {len(valid)} values of {spec.key} are not finite and do not count"
