"""A whole phase of PPO's updates against PyTorch, in float32 and at real sizes. See `test_torch.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cartwheel.algorithms.ppo import PPO, PPOSettings
from cartwheel.experience.records import Experience, Transitions
from cartwheel.policies.specification import Stochastic

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-oracles installs it")
D = torch.distributions

LANES, STEPS, INPUTS, UNITS = 8, 32, 4, 64
FIGURES = ("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "gradient_norm")


def perceptron(arrays: dict[str, Any], whose: str) -> Any:
    """tanh between linear layers, with our first weights."""
    found: list[Any] = []
    for number in range(3):
        W, b = arrays[f"{whose}/l{number}/W"], arrays[f"{whose}/l{number}/b"]
        layer = torch.nn.Linear(*W.shape)
        layer.weight.data[...], layer.bias.data[...] = torch.tensor(W.T), torch.tensor(b)
        found += [layer, torch.nn.Tanh()]
    return torch.nn.Sequential(*found[:-1])


class Theirs:
    """PPO in PyTorch, as stable-baselines3 and CleanRL write it."""

    def __init__(self, agent: PPO) -> None:
        self.settings, self.layout, self.noise = agent.settings, agent._phase.model.layout, agent.network.deviations
        arrays = self.layout.unpack(agent._phase.theta.copy())
        self.policy, self.value = perceptron(arrays, "policy"), perceptron(arrays, "value")
        self.parameters = [*self.policy.parameters(), *self.value.parameters()]
        if self.noise:
            self.log_std = torch.nn.Parameter(torch.tensor(arrays["policy/log_std"].copy()))
            self.parameters.append(self.log_std)
        self.optimizer = torch.optim.Adam(self.parameters, lr=self.settings.learning_rate, eps=1e-5)
        self.updates = 0

    def distribution(self, obs: Any) -> Any:
        y = self.policy(obs)
        return D.Independent(D.Normal(y, self.log_std.exp()), 1) if self.noise else D.Categorical(logits=y)

    def advantages(self, t: Transitions, value: Any, following: Any) -> Any:
        """GAE, row by row from the end."""
        s, later = self.settings, np.zeros(LANES)
        found = np.zeros((STEPS, LANES))
        for k in reversed(range(STEPS)):
            delta = t.reward[k] + s.gamma * t.discount[k] * following[k] - value[k]
            later = found[k] = delta + s.gamma * s.gae_lambda * np.where(t.boundary[k], 0.0, later)
        return found

    def learn(self, t: Transitions, names: Any) -> list[dict[str, float]]:
        assert t.draw is not None
        obs, draw = (torch.tensor(x.reshape(STEPS * LANES, -1)) for x in (t.obs, t.draw))
        draw = draw if self.noise else draw[:, 0]
        with torch.no_grad():
            old = self.distribution(obs).log_prob(draw)
            values = [self.value(torch.tensor(x))[..., 0].double().numpy() for x in (t.obs, t.next_obs)]
        A = self.advantages(t, *values)
        A, target = (torch.tensor(x).float().flatten() for x in (A, A + values[0]))
        return [self.update(obs[rows], draw[rows], old[rows], A[rows], target[rows]) for rows in names]

    def update(self, obs: Any, draw: Any, old: Any, A: Any, target: Any) -> dict[str, float]:
        s, one = self.settings, self.distribution(obs)
        A = (A - A.mean()) / (A.std(unbiased=False) + 1e-8)
        step = one.log_prob(draw) - old
        ratio = step.exp()
        policy = -torch.min(ratio * A, ratio.clamp(1 - s.clip, 1 + s.clip) * A).mean()
        value = torch.nn.functional.mse_loss(self.value(obs)[:, 0], target)
        entropy = one.entropy().mean()
        self.optimizer.zero_grad()
        (policy + s.value_weight * value - s.entropy * entropy).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, s.max_gradient)
        self.updates += 1
        # the form of baselines, in which eps stands beside the root that is not corrected
        self.optimizer.param_groups[0]["eps"] = 1e-5 / np.sqrt(1.0 - 0.999**self.updates)
        self.optimizer.step()
        clipped = ((ratio - 1.0).abs() > s.clip).float().mean()
        figures = policy, value, entropy, ((ratio - 1.0) - step).mean(), clipped, norm
        return {name: float(x.detach()) for name, x in zip(FIGURES, figures, strict=True)}

    @property
    def theta(self) -> Any:
        """As our layout has it."""
        found = np.zeros(self.layout.size, np.float32)
        arrays = self.layout.unpack(found)
        for whose, one in (("policy", self.policy), ("value", self.value)):
            for number, layer in enumerate(one[::2]):
                arrays[f"{whose}/l{number}/W"][...] = layer.weight.detach().numpy().T
                arrays[f"{whose}/l{number}/b"][...] = layer.bias.detach().numpy()
        if self.noise:
            arrays["policy/log_std"][...] = self.log_std.detach().numpy()
        return found


def transitions(box: bool, seed: int) -> Transitions:
    """Numbers, with ends and time limits among them; what is rewarded is to be learnt."""
    rng = np.random.default_rng(seed)
    obs, following = rng.normal(size=(2, STEPS, LANES, INPUTS)).astype(np.float32)
    draw = (rng.normal(size=(STEPS, LANES, 2)) if box else rng.integers(2, size=(STEPS, LANES, 1))).astype(np.float32)
    boundary = rng.random((STEPS, LANES)) < 0.1
    discount = np.where(boundary & (rng.random((STEPS, LANES)) < 0.5), 0.0, 1.0)
    reward = (draw[..., 0] - 0.5) * np.sign(obs[..., 0]) + 0.1 * rng.normal(size=(STEPS, LANES))
    taken = np.full(LANES, STEPS)
    arrays = {"obs": obs, "action": draw, "reward": reward, "discount": discount, "boundary": boundary}
    return Transitions(**arrays, next_obs=following, taken=taken, draw=draw)


@pytest.mark.parametrize("box", [False, True], ids=["choices", "box"])
def test_two_phases_of_updates(box: bool) -> None:
    """Ten epochs of eight minibatches each, from an orthogonal start: 80 updates, and 80 more by the next stretch."""
    options = {"lanes": LANES, "stretch": STEPS, "scale_rewards": False, "entropy": 0.01, "learning_rate": 3e-4}
    agent = PPO(PPOSettings(**options), Stochastic((UNITS, UNITS)).build(INPUTS, 2, () if box else (2,)), 5)
    theirs, names, start = Theirs(agent), [], agent._phase.theta.copy()
    over = agent._phase._step.over

    def noted(rows: Any, *inputs: Any) -> Any:
        names.append(rows)
        return over(rows, *inputs)

    agent._phase._step.over = noted  # type: ignore[assignment,method-assign]
    for seed in range(2):
        t = transitions(box, seed)
        none = np.zeros((1, 0))
        found = agent.tell(Experience(returns=none, lengths=none.astype(np.int64), transitions=t))
        wanted = theirs.learn(t, names[-1])
        assert len(wanted) == 80
        for name in FIGURES:
            assert found[name] == pytest.approx(np.mean([one[name] for one in wanted]), rel=2e-3, abs=1e-4), name
        np.testing.assert_allclose(agent._phase.theta, theirs.theta, rtol=1e-4, atol=1e-5)
    assert found["clip_fraction"] > 0.02
    assert np.abs(agent._phase.theta - start).max() > 0.01
