"""One harness for all metric classes: pickling, batches against whole, processes against one, the function itself."""

import pickle
import socket

import numpy as np
import pytest
import torch
from shapely.geometry import box

from forecast.eval import consistency, context, displacement, distribution, metrics, offroad
from forecast.eval.drivable import DrivableArea

AGENTS = 24
_RANDOM = np.random.default_rng(0)
MODES = _RANDOM.normal(30, 3, (AGENTS, 4, 12, 2))
LIKELY = _RANDOM.dirichlet(np.ones(4), AGENTS)
OTHER = _RANDOM.dirichlet(np.ones(4), AGENTS)
TRUTH = _RANDOM.normal(30, 3, (AGENTS, 12, 2))
VALID = _RANDOM.random((AGENTS, 12)) > 0.3
COVARIANCE = np.broadcast_to([[4.0, 1.0], [1.0, 3.0]], (AGENTS, 4, 12, 2, 2))
AREA = DrivableArea([box(0, 0, 34, 34)], (60.0, 60.0))

#: metric, the batch it takes (what is not an array goes to every batch), and the function it wraps.
CASES = {
    "min_ade": (metrics.MinADE(2), (MODES, LIKELY, TRUTH, VALID), lambda *b: displacement.min_ade_k(*b, k=2)),
    "min_fde": (metrics.MinFDE(3), (MODES, LIKELY, TRUTH, VALID), lambda *b: displacement.min_fde_k(*b, k=3)),
    "miss": (
        metrics.MissRate(4, threshold_m=8.0),
        (MODES, LIKELY, TRUTH),
        lambda *b: displacement.miss_rate_k(*b, k=4, threshold_m=8.0),
    ),
    "brier": (metrics.BrierMinFDE(3), (MODES, LIKELY, TRUTH), lambda *b: displacement.brier_min_fde_k(*b, k=3)),
    "off_road": (metrics.OffRoadRate(), (MODES, AREA), offroad.off_road_rate),
    "off_road_ml": (metrics.OffRoadML(), (MODES, LIKELY, AREA), offroad.off_road_ml),
    "nll": (metrics.NLL(), (MODES, LIKELY, COVARIANCE, TRUTH, VALID), distribution.nll),
    "sample_ade": (metrics.SampleADE(), (MODES, TRUTH, VALID), distribution.sample_ade),
    "sample_fde": (metrics.SampleFDE(), (MODES, TRUTH, VALID), distribution.sample_fde),
    "kl": (metrics.ContextKL(), (LIKELY, OTHER), context.kl_divergence),
    "dispersion": (metrics.Dispersion(), (TRUTH,), consistency.dispersion_of),
    "dispersion_partial": (
        metrics.Dispersion(reading="std_of_norms", window="partial", minimum=7),
        (TRUTH, VALID),
        lambda *b: consistency.dispersion_of(*b, reading="std_of_norms", window="partial", minimum=7),
    ),
    "convergence": (
        metrics.ConvergenceToRange(5.0),
        (TRUTH, MODES[:, 0, 0]),
        lambda *b: consistency.convergence_of(*b, tau_m=5.0, step_s=0.5),
    ),
}


def part_of(batch, items):
    return tuple(torch.from_numpy(a[items].copy()) if isinstance(a, np.ndarray) else a for a in batch)


def fed(metric, batch, parts):
    metric.reset()
    for items in parts:
        metric.update(*part_of(batch, items))
    return metric


@pytest.mark.parametrize("name", CASES)
def test_any_batch_split_gives_the_mean_of_the_function(name):
    metric, batch, function = CASES[name]
    expected = function(*batch).mean
    assert 0 < expected.count <= AGENTS
    splits = ([slice(None)], np.array_split(np.arange(AGENTS), 5), [np.arange(1), np.arange(1, AGENTS)])
    for parts in splits:
        found = fed(metric, batch, parts)
        assert float(found.compute()) == pytest.approx(expected.value, rel=1e-12)
        assert found.count == expected.count


@pytest.mark.parametrize("name", CASES)
def test_survives_pickling_and_type_changes(name):
    metric, batch, _ = CASES[name]
    value = float(fed(metric, batch, [slice(None)]).compute())
    again = pickle.loads(pickle.dumps(metric)).half()
    assert float(again.compute()) == value
    assert again.total.dtype == torch.float64
    again.reset()
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert torch.isnan(again.compute())


@pytest.mark.parametrize("low", [torch.float16, torch.bfloat16])
def test_a_trainer_of_low_precision_leaves_the_sums_as_they_are(low):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.metric = torch.nn.Linear(2, 2), metrics.MinADE(1)

    modes, likely, truth = torch.ones(3, 1, 12, 2), torch.ones(3, 1), torch.zeros(3, 12, 2)
    net = Net()
    net.metric.update(modes, likely, truth)
    net = net.to(low)  # what precision="16-true" does to all that a module holds
    for _ in range(3000):
        net.metric.update(modes.to(low), likely.to(low), truth.to(low))
    assert net.layer.weight.dtype == low
    assert net.metric.total.dtype == torch.float64
    assert float(net.metric.compute()) == pytest.approx(2**0.5, rel=1e-12)
    net.metric.reset()
    assert net.metric.total.dtype == torch.float64
    assert net.to("meta").metric.total.device.type == "meta"  # it does follow to another device


@pytest.mark.parametrize("precision", ["32-true", "bf16-true", "16-true"])
def test_lightning_logs_the_same_at_every_precision(precision):
    import pytorch_lightning as pl

    class Net(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.metric = torch.nn.Linear(2, 2), metrics.MinADE(1)

        def validation_step(self, batch, index):
            self.metric.update(torch.ones(3, 1, 12, 2), torch.ones(3, 1), torch.zeros(3, 12, 2))
            self.log("minADE", self.metric)

        def configure_optimizers(self):
            return None

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(accelerator="cpu", precision=precision, enable_model_summary=False, **quiet)
    found = trainer.validate(Net(), torch.utils.data.DataLoader(torch.zeros(300, 2)), verbose=False)
    assert found[0]["minADE"] == pytest.approx(2**0.5, rel=1e-6)


def _share(rank, port, queue):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    answers = {}
    # Unequal shares: the mean of the processes' means would be wrong.
    mine = [slice(0, 5)] if rank == 0 else [slice(5, 12), slice(12, AGENTS)]
    for name, (metric, batch, _) in CASES.items():
        answers[name] = float(fed(metric, batch, mine).compute())
    torch.distributed.destroy_process_group()
    queue.put(answers)


def test_two_processes_agree_with_one():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spawn = torch.multiprocessing.get_context("fork")
    queue = spawn.Queue()
    workers = [spawn.Process(target=_share, args=(rank, port, queue)) for rank in range(2)]
    for worker in workers:
        worker.start()
    found = [queue.get(timeout=100) for _ in workers]
    for worker in workers:
        worker.join(timeout=20)
    for name, (_, batch, function) in CASES.items():
        for answers in found:
            assert answers[name] == pytest.approx(function(*batch).mean.value, rel=1e-12)
