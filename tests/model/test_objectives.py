"""Objectives against torch.distributions and written-out formulas, and a second backbone under each of them."""

import math
from dataclasses import replace

import pytest
import torch
from torch import distributions, nn

from forecast.core.forecast import Forecast
from forecast.model.branch import Branch, Stage
from forecast.model.mixture import categorical_kl, entropy, joint_nll
from forecast.model.objective_config import NearestConfig, ObjectiveConfig
from forecast.model.objective_registry import OBJECTIVES, objective_terms
from forecast.model.objectives.divergence import Divergence
from forecast.model.objectives.gain import Gain
from forecast.model.objectives.plain import Plain
from forecast.model.objectives.reweight import Reweight
from forecast.model.objectives.rubiz import Rubiz
from forecast.model.own_loss import Annealed, log_likelihood

torch.manual_seed(0)
FULL = Annealed(1.0, None)
OPEN = {"lower_clip": None, "upper_clip": None, "soft_clip": None, "free_bits": 0.07}


def branch(batch: int = 6, modes: int = 4, steps: int = 5, *, spread: float = 1.0) -> Branch:
    draw = lambda *shape: (spread * torch.randn(*shape, dtype=torch.float64)).requires_grad_()  # noqa: E731
    return Branch(draw(batch, modes), draw(batch, modes), draw(batch, modes, steps))


def categorical(logits: torch.Tensor) -> distributions.Categorical:
    return distributions.Categorical(logits=logits)


def reference_cvae(given: Branch, config: ObjectiveConfig, alpha: float) -> torch.Tensor:
    p, q = categorical(given.prior_logits), categorical(given.posterior_logits)
    likelihood = torch.log((q.probs[..., None] * given.step_log_likelihoods.exp()).sum(1)).sum(1).mean()
    kl = distributions.kl_divergence(q, p).mean()
    information = distributions.Categorical(probs=p.probs.mean(0)).entropy() - p.entropy().mean()
    return -likelihood + alpha * torch.clamp(kl, min=config.free_bits) - information


def test_the_mixture_likelihood_is_torchs() -> None:
    g = torch.Generator().manual_seed(1)
    positions = torch.randn(3, 4, 5, 2, generator=g, dtype=torch.float64)
    root = torch.randn(3, 4, 5, 2, 2, generator=g, dtype=torch.float64)
    covariance = root @ root.transpose(-1, -2) + 0.1 * torch.eye(2, dtype=torch.float64)
    weights = torch.randn(3, 4, generator=g, dtype=torch.float64).softmax(1)
    truth = torch.randn(3, 5, 2, generator=g, dtype=torch.float64)
    modes = distributions.Independent(distributions.MultivariateNormal(positions, covariance), 1)
    expected = -distributions.MixtureSameFamily(distributions.Categorical(weights), modes).log_prob(truth)
    found = joint_nll(Forecast(positions, weights, None, covariance), truth, torch.ones(3, 5, dtype=torch.bool))
    torch.testing.assert_close(found, expected)


def test_divergence_and_entropy_are_torchs() -> None:
    a, b = torch.randn(7, 5, dtype=torch.float64), torch.randn(7, 5, dtype=torch.float64)
    expected = distributions.kl_divergence(categorical(a), categorical(b))
    torch.testing.assert_close(categorical_kl(a.log_softmax(-1), b.log_softmax(-1)), expected)
    torch.testing.assert_close(entropy(a.log_softmax(-1)), categorical(a).entropy())


def test_divergence_is_the_written_formula() -> None:
    with_context, without = branch(), branch()
    config, valid = (
        Divergence(without_context_weight=0.7, divergence_weight=3.0, divergence_cap=None, **OPEN),
        torch.ones(6, 5, dtype=torch.bool),
    )
    found = objective_terms(with_context, without, valid, config, Annealed(2.0, None)).loss
    divergence = distributions.kl_divergence(
        categorical(with_context.prior_logits), categorical(without.prior_logits)
    ).mean()
    expected = reference_cvae(with_context, config, 2.0) + 0.7 * reference_cvae(without, config, 2.0) - 3.0 * divergence
    torch.testing.assert_close(found, expected)


def test_no_gradient_through_the_stopped_side() -> None:
    with_context, without = branch(), branch()
    valid = torch.ones(6, 5, dtype=torch.bool)
    objective_terms(
        with_context, without, valid, Divergence(without_context_weight=0.0), Annealed(1.0, None)
    ).loss.backward()
    for field in ("prior_logits", "posterior_logits", "step_log_likelihoods"):
        assert not getattr(without, field).grad.any()
        assert getattr(with_context, field).grad.any()


def test_reweight_counts_what_the_pass_without_context_misses_and_does_not_train_the_weight() -> None:
    with_context, without = branch(), branch()
    config, valid = Reweight(**OPEN), torch.ones(6, 5, dtype=torch.bool)
    found = objective_terms(with_context, without, valid, config, Annealed(1.0, None)).loss

    def marginal(given: Branch) -> torch.Tensor:
        weights = categorical(given.prior_logits).probs[..., None]
        return torch.log((weights * given.step_log_likelihoods.exp()).sum(1)).sum(1)

    weight = torch.sigmoid(-marginal(without)).detach()
    parts = reference_cvae(with_context, config, 1.0) + reference_cvae(without, config, 1.0)
    expected = parts - (weight * marginal(with_context)).mean()
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(loss, without.prior_logits, retain_graph=True)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_rubiz_is_the_written_formula() -> None:
    with_context, without = branch(), branch()
    config, valid = Rubiz(**OPEN), torch.ones(6, 5, dtype=torch.bool)
    found = objective_terms(with_context, without, valid, config, Annealed(1.5, None)).loss

    def fused(name: str) -> torch.Tensor:
        logs = [getattr(b, name).log_softmax(-1) for b in (with_context, without)]
        return torch.sigmoid(logs[0]) * torch.sigmoid(logs[1])

    third = Branch(fused("prior_logits"), fused("posterior_logits"), with_context.step_log_likelihoods)
    weights = categorical(with_context.posterior_logits).probs[..., None]
    likelihood = torch.log((weights * with_context.step_log_likelihoods.exp()).sum(1)).sum(1).mean()
    own = reference_cvae(with_context, config, 1.5) + 0.9 * likelihood
    torch.testing.assert_close(found, own + sum(reference_cvae(b, config, 1.5) for b in (without, third)))


def test_clips_bound_each_step_and_the_lower_one_stops_the_gradient() -> None:
    given = branch(spread=20.0)
    valid = torch.ones(6, 5, dtype=torch.bool)
    config = Plain(lower_clip=-6.0, soft_clip=None)
    terms = objective_terms(given, None, valid, config, Annealed(0.0, 0.05))
    assert -30 <= terms.parts["log_likelihood"] <= 30
    steps = torch.logsumexp(given.step_log_likelihoods, 1) - math.log(4)
    missed = steps < -8
    terms.loss.backward()
    assert not given.step_log_likelihoods.grad.transpose(1, 2)[missed].any()


def test_the_soft_clip_keeps_a_small_gradient_of_what_is_badly_missed() -> None:
    missed = torch.tensor([-5.9, -6.0, -6.1, -100.0, -1e6], dtype=torch.float64, requires_grad=True)
    weights, valid = torch.zeros(5, 1, dtype=torch.float64), torch.ones(5, 1, dtype=torch.bool)
    config = Plain(soft_clip=-6.0, upper_clip=None)
    found = log_likelihood(weights, missed[:, None, None], valid, config)
    expected = [-5.9, -6.0, -6.0 - math.log(1.1), -6.0 - math.log(95.0), -6.0 - math.log(1e6 - 5)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    found.sum().backward()
    torch.testing.assert_close(missed.grad, 1 / (1 + (-6.0 - missed.detach()).clamp(min=0)))
    assert (missed.grad > 0).all()


def test_a_capped_divergence_is_no_longer_rewarded() -> None:
    with_context, without = branch(spread=4.0), branch(spread=4.0)
    valid = torch.ones(6, 5, dtype=torch.bool)
    each = categorical_kl(with_context.prior_logits.log_softmax(1), without.prior_logits.log_softmax(1)).detach()
    cap = float(each.median())
    assert (each > cap).any()
    found, without = (
        objective_terms(
            with_context, without, valid, Divergence(divergence_weight=weight, divergence_cap=cap), FULL
        ).loss
        for weight in (3.0, 0.0)
    )
    torch.testing.assert_close(without - found, 3.0 * each.clamp(max=cap).mean())


def test_the_entropy_weight_is_of_the_priors_mean_entropy() -> None:
    given, valid = branch(), torch.ones(6, 5, dtype=torch.bool)
    losses = [objective_terms(given, None, valid, Plain(entropy_weight=weight), FULL).loss for weight in (2.0, 0.0)]
    torch.testing.assert_close(losses[0] - losses[1], 2.0 * categorical(given.prior_logits).entropy().mean())


@pytest.mark.parametrize("weighted_probabilities", [False, True])
def test_gain_weighs_a_future_by_what_the_posterior_knows_more_than_the_prior_without_context(
    weighted_probabilities: bool,
) -> None:
    with_context, without = branch(), branch()
    config, valid = (
        Gain(gain_weight=0.5, weighted_probabilities=weighted_probabilities, **OPEN),
        torch.ones(6, 5, dtype=torch.bool),
    )
    found = objective_terms(with_context, without, valid, config, FULL).loss

    def marginal(given: Branch, logits: torch.Tensor) -> torch.Tensor:
        return torch.log((categorical(logits).probs[..., None] * given.step_log_likelihoods.exp()).sum(1)).sum(1)

    advantage = marginal(with_context, with_context.posterior_logits) - marginal(without, without.prior_logits)
    weight = advantage.clamp(min=0).detach()
    probabilities = with_context.prior_logits if weighted_probabilities else with_context.prior_logits.detach()
    weighted = (weight / weight.mean() * marginal(with_context, probabilities)).mean()
    expected = reference_cvae(with_context, config, 1.0) + reference_cvae(without, config, 1.0) - 0.5 * weighted
    torch.testing.assert_close(found, expected)
    for of in (without.prior_logits, with_context.prior_logits, with_context.step_log_likelihoods):
        torch.testing.assert_close(*(torch.autograd.grad(loss, of, retain_graph=True)[0] for loss in (found, expected)))


def test_unknown_steps_do_not_count() -> None:
    given, valid = branch(), torch.rand(6, 5) > 0.4
    spoilt = Branch(given.prior_logits, given.posterior_logits, given.step_log_likelihoods + 100.0 * ~valid[:, None])
    for joint in (False, True):
        config = Plain(joint=joint)
        losses = [objective_terms(b, None, valid, config, Annealed(1.0, 2.0)).loss for b in (given, spoilt)]
        torch.testing.assert_close(*losses)


def test_the_joint_mixture_lets_one_mode_explain_a_whole_future() -> None:
    given, valid = branch(), torch.ones(6, 5, dtype=torch.bool)
    config = Plain(joint=True, **OPEN)
    found = objective_terms(given, None, valid, config, Annealed(0.0, None)).parts["log_likelihood"]
    weights = given.posterior_logits.log_softmax(1)
    torch.testing.assert_close(found, torch.logsumexp(weights + given.step_log_likelihoods.sum(2), 1).mean().detach())


class Tiny(nn.Module):
    """Another CVAE: one linear layer from what is known to modes of straight lines."""

    def __init__(self) -> None:
        super().__init__()
        self.prior, self.posterior, self.mean = nn.Linear(3, 4), nn.Linear(13, 4), nn.Linear(3, 4 * 5 * 2)

    def forward(self, known: torch.Tensor, future: torch.Tensor) -> Branch:
        mean = self.mean(known).view(-1, 4, 5, 2)
        density = distributions.Normal(mean, 1.0).log_prob(future[:, None]).sum(-1)
        return Branch(self.prior(known), self.posterior(torch.cat([known, future.flatten(1)], 1)), density)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_any_backbone_learns_under_any_objective(name: str) -> None:
    torch.manual_seed(0)
    tiny, known = Tiny(), torch.randn(64, 3)
    future = torch.stack([known[:, :1] * torch.arange(1, 6), known[:, 1:2].expand(-1, 5)], -1)
    without = torch.cat([known[:, :1], torch.zeros(64, 2)], 1)
    optimiser, valid = torch.optim.Adam(tiny.parameters(), 0.02), torch.ones(64, 5, dtype=torch.bool)
    likelihoods = []
    for _ in range(60):
        terms = objective_terms(
            tiny(known, future), tiny(without, future), valid, OBJECTIVES[name].constants(), Annealed(1.0, 2.0)
        )
        optimiser.zero_grad()
        terms.loss.backward()
        optimiser.step()
        likelihoods.append(terms.parts["log_likelihood"].item())
    assert likelihoods[-1] > likelihoods[0] + 1


def by_distance(batch: int = 6, modes: int = 4, steps: int = 5) -> Branch:
    """A pass of a network that learns by distance, with one earlier stage."""
    stage = Stage(torch.randn(batch, modes), 5 * torch.rand(batch, modes))
    given = branch(batch, modes, steps)
    return replace(given, posterior_logits=None, distances_m=5 * torch.rand(batch, modes), earlier=(stage,))


def reference_nearest(given: Branch, config: NearestConfig, weight: torch.Tensor) -> torch.Tensor:
    """In loops: the nearest mode comes nearer, as much as the agent counts, and becomes likelier for all alike."""
    total, agents = torch.zeros(()), len(given.prior_logits)
    stages = [(given.prior_logits, given.distances_m, 1.0)]
    stages += [(stage.logits, stage.distances_m, config.earlier_weight) for stage in given.earlier]
    for logits, distances, share in stages:
        for agent in range(agents):
            odds = categorical(logits[agent])
            best = int(distances[agent].argmin())
            expected = (odds.probs * distances[agent]).sum()
            each = weight[agent] * distances[agent, best] - odds.logits[best] + config.expected_weight * expected
            total = total + share * each / agents
    for agent in range(agents):
        steps = given.step_log_likelihoods[agent, int(given.distances_m[agent].argmin())]
        total = total - config.spread_weight * steps.sum() / agents
    return total


def test_the_nearest_mode_learns_by_its_distance() -> None:
    given, valid = by_distance(), torch.ones(6, 5, dtype=torch.bool)
    config = Plain(nearest=NearestConfig(0.3, 0.7, 0.2))
    found = objective_terms(given, None, valid, config, Annealed(1.0, None))
    torch.testing.assert_close(found.loss, reference_nearest(given, config.nearest, torch.ones(6)))


def test_gain_weighs_distances_alone_and_counts_an_advantage_up_to_its_cap() -> None:
    torch.manual_seed(0)
    given, without, valid = by_distance(), by_distance(), torch.ones(6, 5, dtype=torch.bool)
    config = Gain(without_context="shared", gain_weight=2.0, advantage_cap=0.5)
    seen, alone = (
        log_likelihood(one.prior_logits.log_softmax(-1), one.step_log_likelihoods, valid, config)
        for one in (given, without)
    )
    advantage = (seen - alone).clamp(0, 0.5)
    assert (advantage == 0.5).any()
    assert (advantage == 0.0).any()
    weight = 1 + 2.0 * advantage / advantage.mean()
    expected = reference_nearest(given, config.nearest, weight)
    expected = expected + reference_nearest(without, config.nearest, torch.ones(6))
    found = objective_terms(given, without, valid, config, Annealed(1.0, None))
    torch.testing.assert_close(found.loss, expected)


def test_agents_whose_future_is_unknown_do_not_count_by_distance() -> None:
    given, valid = by_distance(), torch.ones(6, 5, dtype=torch.bool)
    valid[4:] = False
    loss = objective_terms(given, None, valid, Plain(), Annealed(1.0, None)).loss
    assert given.distances_m is not None
    far = replace(given, distances_m=given.distances_m + 100 * ~valid.any(1)[:, None])
    torch.testing.assert_close(objective_terms(far, None, valid, Plain(), Annealed(1.0, None)).loss, loss)
