"""Displacement metrics against the devkit's own code, and by hand."""

import numpy as np
import pytest
import torch

from forecast.eval.calibration import calibration
from forecast.eval.displacement import (
    ade_ml,
    brier_min_fde_k,
    displacements,
    fde_ml,
    min_ade_k,
    min_fde_k,
    miss_rate_k,
    rank_modes,
)


class _Helper:
    """Just what compute_metrics asks of the devkit's helper: the truth."""

    def __init__(self, truth):
        self.truth = truth

    def get_future_for_agent(self, instance, sample, seconds, in_agent_frame):
        assert seconds == 6
        assert not in_agent_frame
        return self.truth[instance]


@pytest.mark.parametrize("modes", [1, 2, 5, 10, 24, 25])
def test_equals_the_devkit(modes):
    from nuscenes.eval.prediction.compute_metrics import compute_metrics
    from nuscenes.eval.prediction.config import PredictionConfig
    from nuscenes.eval.prediction.metrics import MinADEK, MinFDEK, MissRateTopK, RowMean

    random = np.random.default_rng(modes)
    agents, ks = 350, list(range(1, 26))
    truth = random.uniform(300, 2500, (agents, 1, 2)) + np.cumsum(random.normal(1, 1, (agents, 12, 2)), 1)
    forecasts = truth[:, None] + random.normal(0, 1.2, (agents, modes, 12, 2)).cumsum(2) * random.uniform(
        0, 1, (agents, 1, 1, 1)
    )
    probabilities = random.dirichlet(np.ones(modes), agents)
    predictions = [
        {
            "instance": str(i),
            "sample": "s",
            "prediction": forecasts[i].tolist(),
            "probabilities": probabilities[i].tolist(),
        }
        for i in range(agents)
    ]
    mean = [RowMean()]
    config = PredictionConfig([MinADEK(ks, mean), MinFDEK(ks, mean), MissRateTopK(ks, mean)], seconds=6)
    reference = compute_metrics(predictions, _Helper({str(i): truth[i] for i in range(agents)}), config)
    ours = {"MinADEK": min_ade_k, "MinFDEK": min_fde_k, "MissRateTopK_2.0": miss_rate_k}
    for name, metric in ours.items():
        found = [metric(forecasts, probabilities, truth, k=k).mean for k in ks]
        np.testing.assert_allclose([m.value for m in found], reference[name]["RowMean"], atol=1e-9, rtol=0)
        assert {m.count for m in found} == {agents}


TRUTH = np.array([[[1.0, 0.0], [2.0, 0.0]]])
MODES = np.array([[[[1.0, 0.0], [2.0, 3.0]], [[1.0, 2.0], [2.0, 1.0]]]])
LIKELY = np.array([[0.75, 0.25]])


def test_by_hand():
    assert min_ade_k(MODES, LIKELY, TRUTH, k=1).values == pytest.approx([1.5])
    assert min_ade_k(MODES, LIKELY, TRUTH, k=2).values == pytest.approx([1.5])
    assert min_fde_k(MODES, LIKELY, TRUTH, k=1).values == pytest.approx([3.0])
    assert min_fde_k(MODES, LIKELY, TRUTH, k=9).values == pytest.approx([1.0])
    assert brier_min_fde_k(MODES, LIKELY, TRUTH, k=2).values == pytest.approx([1.0 + 0.75**2])
    # 2 m off at one step is a miss, however close the end.
    assert miss_rate_k(MODES, LIKELY, TRUTH, k=2).values == pytest.approx([1.0])
    assert miss_rate_k(MODES, LIKELY, TRUTH, k=2, threshold_m=2.01).values == pytest.approx([0.0])
    assert ade_ml(MODES, LIKELY, TRUTH, horizon_steps=1).values == pytest.approx([0.0])
    assert fde_ml(MODES, LIKELY, TRUTH).values == pytest.approx([3.0])


def test_tensors_lists_and_arrays_agree():
    for kind in (torch.tensor, np.asarray, np.ndarray.tolist):
        assert min_fde_k(kind(MODES), kind(LIKELY), kind(TRUTH), k=2).mean.value == pytest.approx(1.0)


def test_ties_go_to_the_lower_index_and_absent_modes_come_last():
    np.testing.assert_array_equal(rank_modes([[0.2, 0.4, np.nan, 0.4]]), [[1, 3, 0, 2]])


def test_absent_modes_never_win():
    modes = np.concatenate([MODES, np.full((1, 1, 2, 2), np.nan)], 1)
    likely = np.array([[0.75, 0.25, np.nan]])
    for metric in (min_ade_k, min_fde_k, miss_rate_k, brier_min_fde_k):
        np.testing.assert_array_equal(
            metric(modes, likely, TRUTH, k=25).values, metric(MODES, LIKELY, TRUTH, k=25).values
        )


def test_unknown_last_step_is_not_counted_unless_asked():
    valid = np.array([[True, False]])
    assert min_fde_k(MODES, LIKELY, TRUTH, valid, k=2).mean.count == 0
    assert np.isnan(min_fde_k(MODES, LIKELY, TRUTH, valid, k=2).mean.value)
    assert min_fde_k(MODES, LIKELY, TRUTH, valid, k=2, last_valid=True).values == pytest.approx([0.0])
    assert min_ade_k(MODES, LIKELY, TRUTH, valid, k=1).values == pytest.approx([0.0])
    assert min_ade_k(MODES, LIKELY, TRUTH, [[False, False]], k=1).mean.count == 0


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"truth_m: expected shape \(1, 2, 2\), got \(1, 3, 2\)"):
        min_ade_k(MODES, LIKELY, np.zeros((1, 3, 2)), k=1)
    with pytest.raises(ValueError, match="k >= 1"):
        min_ade_k(MODES, LIKELY, TRUTH, k=0)


def test_calibration_of_a_calibrated_forecaster():
    random = np.random.default_rng(0)
    agents = 20_000
    probabilities = random.dirichlet([1, 1, 1], agents)
    best = (random.random((agents, 1)) > np.cumsum(probabilities, -1)[:, :2]).sum(-1)
    modes = np.where((np.arange(3) == best[:, None])[..., None, None], 0.0, 5.0) * np.ones((1, 1, 2, 2))
    found = calibration(displacements(modes, probabilities, np.zeros((agents, 2, 2))))
    assert found.count.sum() == 3 * agents
    assert found.error < 0.02
    np.testing.assert_allclose(found.observed, found.stated, atol=0.05)
    wrong = calibration(displacements(modes, probabilities[:, ::-1].copy(), np.zeros((agents, 2, 2))))
    assert wrong.error > 0.1

    # Modes that another stands for claim nothing, were they as close as can be.
    with_ghosts = np.concatenate([modes, np.zeros_like(modes)], 1)
    none = np.concatenate([probabilities, np.zeros_like(probabilities)], 1)
    ghosts = calibration(displacements(with_ghosts, none, np.zeros((agents, 2, 2))))
    assert ghosts.error == found.error
    np.testing.assert_array_equal(ghosts.count, found.count)
