"""A2C: its update against plain NumPy, its one-step form by hand, and a run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_ppo import (
    INPUTS,
    KINDS,
    LANES,
    STEPS,
    PlainAdam,
    each_kind,
    outputs_of,
    plain_advantages,
    plain_distribution,
    plain_model,
    slope,
    told,
    transitions,
)

import cartwheel
from cartwheel import nn
from cartwheel.algorithms.a2c import A2C, ENTRY, A2CSettings
from cartwheel.errors import UsageError
from cartwheel.policies.specification import Stochastic
from cartwheel.reports import page
from cartwheel.settings import resolve


def made(kind: str = "choice", **options: Any) -> A2C:
    """One whose network is 2-4-3-o, from weights that are no small ones."""
    settings = A2CSettings(**{"lanes": LANES, "stretch": STEPS, "scale_rewards": False, **options})
    agent = A2C(settings, Stochastic((4, 3)).build(INPUTS, outputs_of(kind), KINDS[kind]), 5)
    agent._phase.model.theta = np.random.default_rng(1).normal(size=agent._phase.theta.size).astype(np.float32) * 0.7
    return agent


def plain_update(agent: A2C, kind: str, theta: Any, t: Any) -> tuple[Any, dict[str, float]]:
    """The gradient, and the figures."""
    s, rows = agent.settings, STEPS * LANES
    obs, following, draw = (x.reshape(rows, -1) for x in (t.obs, t.next_obs, t.draw))
    V, after = (plain_model(theta, x, kind, s.shared)[2].reshape(STEPS, LANES) for x in (obs, following))
    A = plain_advantages(t, t.reward, V, after, s.gamma, s.gae_lambda)
    R = (A + V).reshape(rows)

    def parts(theta: Any) -> tuple[float, float, float]:
        outputs, log_std, value = plain_model(theta, obs, kind, s.shared)
        log_prob, entropy = plain_distribution(outputs, log_std, draw, kind)
        return -(log_prob * A.reshape(rows)).mean(), ((value - R) ** 2).mean(), entropy.mean()

    def loss(theta: Any) -> float:
        policy, value, entropy = parts(theta)
        return float(policy + s.value_weight * value - s.entropy * entropy)

    gradient = slope(loss, theta)
    figures = dict(zip(("policy_loss", "value_loss", "entropy"), parts(theta), strict=True))
    explained = 1.0 - A.var() / R.var()
    return gradient, {**figures, "gradient_norm": float(np.linalg.norm(gradient)), "explained_variance": explained}


@pytest.mark.parametrize("eager", [False, True], ids=["recorded", "eager"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "apart"])
@each_kind
def test_updates_are_those_of_numpy(kind: str, shared: bool, eager: bool) -> None:
    """Three of them: figures, and the vector after each."""
    options = {"gamma": 0.9, "gae_lambda": 0.8, "entropy": 0.1, "value_weight": 0.7, "max_gradient": 3.0}
    agent = made(kind, shared=shared, learning_rate=0.02, **options)
    theta, adam, norms = agent._phase.theta.astype(np.float64), PlainAdam(3.0), []
    for seed in range(3):
        t = transitions(kind, seed)
        gradient, wanted = plain_update(agent, kind, theta, t)
        if eager:
            with nn.debug():
                found = told(agent, t)
        else:
            found = told(agent, t)
        for name, value in wanted.items():
            assert found[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name
        theta = adam(theta, gradient, 0.02)
        np.testing.assert_allclose(agent._phase.theta, theta, rtol=1e-4, atol=2e-5)
        norms.append(wanted["gradient_norm"])
    assert max(norms) > 3.0


def test_with_lambda_1_an_advantage_is_the_return_less_the_value() -> None:
    """To the end of the stretch, or of the episode: by hand, with gamma 1/2 and a value that is nowhere 0."""
    agent = made(gamma=0.5, stretch=3)
    t = transitions(steps=3)
    t = replace(t, reward=np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]]), discount=np.ones((3, 2)))
    t.boundary[:], t.discount[1, 0] = [[False, False], [True, False], [False, False]], 0.0
    before = agent._phase.before(t)
    value, following = before.value.astype(float), before.following.astype(float)
    # within an episode what follows is the next row
    following[0], following[1, 1] = value[1], value[2, 1]
    advantage, target = agent._weighed(t, t.reward, before._replace(following=following.astype(np.float32)))
    last = 4.0 + 0.5 * following[2]
    returns = np.array([[1.0 + 0.5 * 2.0, 1.0 + 0.5 * (2.0 + 0.5 * last[1])], [2.0, 2.0 + 0.5 * last[1]], last])
    np.testing.assert_allclose(target, returns, rtol=1e-6)
    np.testing.assert_allclose(advantage, returns - value, rtol=1e-6)


def test_one_step_by_hand() -> None:
    """Sutton and Barto's delta: r + gamma V(s') - V(s), of one lane and one step, V(s') 0 at an end alone."""
    settings = resolve(A2CSettings, dict(ENTRY.presets["one-step"]))
    assert (settings.lanes, settings.stretch, settings.gae_lambda) == (1, 1, 0.0)
    agent = made(**{**vars(settings), "gamma": 0.9, "scale_rewards": False})
    for discount, boundary in ((1.0, False), (1.0, True), (0.0, True)):
        t = transitions(lanes=2, steps=3)
        one = {name: x[:1, :1] for name, x in vars(t).items() if name not in ("taken", "memory")}
        one |= {"discount": np.full((1, 1), discount), "boundary": np.full((1, 1), boundary)}
        t = replace(t, taken=np.array([1]), **one)
        before = agent._phase.before(t)
        V, after = float(before.value[0, 0]), float(before.following[0, 0])
        delta = t.reward[0, 0] + 0.9 * discount * after - V
        advantage, target = agent._weighed(t, t.reward, before)
        assert advantage[0, 0] == pytest.approx(delta, rel=1e-6)
        assert target[0, 0] == pytest.approx(delta + V, rel=1e-6)
        assert told(agent, t)["value_loss"] == pytest.approx(delta**2, rel=1e-4)


def test_what_is_no_number_is_said() -> None:
    agent, t = made(), transitions()
    told(agent, t)
    t.reward[3, 1] = np.inf
    with pytest.raises(UsageError, match="a2c: expected finite losses and gradients"):
        told(agent, t)


def test_a_pole_is_kept_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))
    run = cartwheel.train(
        "CartPole-v1", algorithm="a2c", name="x", runs=tmp_path, hooks=[], steps=50_000, seed=1000, early_stop=False
    )
    assert run.result is not None
    assert run.result["test_mean"] > 200.0
