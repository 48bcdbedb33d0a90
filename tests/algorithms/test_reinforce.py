"""REINFORCE: its gradient against the exact one, updates against plain NumPy, tables by hand, and whole runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import cartwheel
from cartwheel import nn
from cartwheel.algorithms import reinforce
from cartwheel.algorithms.gradients import episodes
from cartwheel.algorithms.reinforce import ENTRY, Reinforce, ReinforceSettings
from cartwheel.errors import UsageError
from cartwheel.experience.records import Experience, Transitions
from cartwheel.policies.specification import Stochastic
from cartwheel.settings import resolve
from cartwheel.training.settings import TrainSettings

#: What may follow action a in state s: its reward R[s, a], then state 0, state 1 or the end, by the chances P[s, a].
#: What pays at once in state 0 mostly ends it, and what does not leads to where more is to be had.
R = np.array([[0.2, -0.2], [1.0, 0.2]])
P = np.array([[[0.1, 0.1, 0.8], [0.1, 0.8, 0.1]], [[0.3, 0.3, 0.4], [0.1, 0.8, 0.1]]])
HORIZON = 4  # after so many steps it is over in any case

Path_ = list[tuple[int, int]]  # a state and an action for each step


def episode(obs: Any, action: Any, reward: Any, ended: bool, following: Any = None, rows: int = 0) -> Transitions:
    """One lane: obs (k, d), action (k, a), reward (k,), whether the rules ended it; k steps of so many rows."""
    obs, action = np.array(obs, np.float32), np.array(action, np.float32)
    taken, rows = len(obs), max(rows, len(obs))

    def padded(x: Any) -> Any:
        return np.concatenate([x, np.zeros((rows - taken, *x.shape[1:]), x.dtype)])[:, None]

    boundary, discount = np.zeros(taken, np.bool_), np.ones(taken)
    boundary[-1], discount[-1] = True, 0.0 if ended else 1.0
    after = np.concatenate([obs[1:], [obs[-1] if following is None else following]]).astype(np.float32)
    rewards = np.array(reward, np.float64)
    arrays = {"obs": obs, "action": action, "reward": rewards, "discount": discount, "boundary": boundary}
    arrays |= {"next_obs": after, "draw": action}
    return Transitions(taken=np.array([taken]), **{name: padded(array) for name, array in arrays.items()})


def beside(lanes: list[Transitions]) -> Transitions:
    """Several lanes side by side."""
    names = [name for name, array in vars(lanes[0]).items() if array is not None and name != "taken"]
    arrays = {name: np.concatenate([vars(lane)[name] for lane in lanes], axis=1) for name in names}
    return Transitions(taken=np.concatenate([lane.taken for lane in lanes]), **arrays)


def made(lanes: int = 1, inputs: int = 2, outputs: int = 2, box: bool = False, **options: Any) -> Reinforce:
    """One that learns 2-3-2, from weights that are no small ones."""
    network = Stochastic((3,), "tanh").build(inputs, outputs, () if box else (outputs,))
    agent = Reinforce(ReinforceSettings(lanes=lanes, **{"stretch": HORIZON, **options}), network, 5)
    size = agent._phase.model.theta.size
    agent._phase.model.theta = np.random.default_rng(3).normal(size=size).astype(np.float32) * 0.7
    return agent


def told(agent: Reinforce, transitions: Transitions) -> dict[str, float]:
    returns = transitions.reward.sum(axis=0)[None]
    return agent.tell(Experience(returns=returns, lengths=transitions.taken[None], transitions=transitions))


def gradient(agent: Reinforce, transitions: Transitions) -> Any:
    """What an update goes down, (n,), by the code of `tell` but for the recording; the agent stays as it was."""
    state = agent.state()
    with nn.debug(), mock.patch.object(agent._phase.optimizer, "update"):
        told(agent, transitions)
    agent.restore(state)
    return agent._phase.model.grad.astype(np.float64)


# --- the exact gradient -----------------------------------------------------------------------------------------------


def logits(theta: Any, x: Any) -> Any:
    """Outputs (B, o) of a 2-3-o perceptron for x (B, 2), in float64."""
    W1, b1, rest = theta[:6].reshape(2, 3), theta[6:9], theta[9:]
    outputs = len(rest) // 4
    return np.tanh(x @ W1 + b1) @ rest[: 3 * outputs].reshape(3, outputs) + rest[3 * outputs :]


def chances(theta: Any) -> Any:
    """Pi(a | s), (2, 2)."""
    e = np.exp(logits(theta, np.eye(2)))
    return e / e.sum(axis=1, keepdims=True)


def expected_return(theta: Any, gamma: float) -> float:
    """From state 0, by working back from the last step."""
    pi, value = chances(np.asarray(theta, np.float64)), np.zeros(3)
    for _ in range(HORIZON):
        value = np.append((pi * (R + gamma * P @ value)).sum(axis=1), 0.0)
    return float(value[0])


def slope(function: Any, theta: Any) -> Any:
    """The gradient of a function by central differences, in float64."""
    theta, found = np.array(theta, np.float64), np.zeros(len(theta))
    for k in range(len(theta)):
        step = np.zeros(len(theta))
        step[k] = 1e-5
        found[k] = (function(theta + step) - function(theta - step)) / 2e-5
    return found


def all_episodes(theta: Any) -> Iterator[tuple[float, Path_]]:
    """Each that there is from state 0, with its chance."""
    pi = chances(np.asarray(theta, np.float64))

    def on(state: int, chance: float, path: Path_) -> Iterator[tuple[float, Path_]]:
        for action, after in product(range(2), range(3)):
            further, now = [*path, (state, action)], chance * pi[state, action] * P[state, action, after]
            if after == 2 or len(further) == HORIZON:
                yield now, further
            else:
                yield from on(after, now, further)

    return on(0, 1.0, [])


def transitions_of(path: Path_, discounting: float = 1.0) -> Transitions:
    states, actions = zip(*path, strict=True)
    rewards = [R[state, action] * discounting**t for t, (state, action) in enumerate(path)]
    return episode(np.eye(2)[list(states)], np.array(actions)[:, None], rewards, ended=True, rows=HORIZON)


def expected_gradient(discounting: float = 1.0, over_steps: bool = False, **options: Any) -> tuple[Any, Any]:
    """The mean of minus the update's gradient over all episodes, (n,) of the policy, and theta (n,)."""
    agent = made(**options)
    size, total, found = agent.network.size, 0.0, np.zeros(agent._phase.model.theta.size)
    theta = agent._phase.theta[:size].copy()
    merged: dict[tuple[tuple[int, int], ...], float] = {}
    for chance, path in all_episodes(theta):
        merged[tuple(path)] = merged.get(tuple(path), 0.0) + chance
    for path, chance in merged.items():
        share = chance / len(path) if over_steps else chance
        found -= share * gradient(agent, transitions_of(list(path), discounting))
        total += chance
    assert total == pytest.approx(1.0, abs=1e-12)
    return found[:size], theta


def cosine(one: Any, other: Any) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.parametrize("baseline", ["none", "learnt"])
def test_the_expected_update_is_the_gradient_of_the_expected_return(baseline: str) -> None:
    """All episodes with their chances, against finite differences; whatever the value says."""
    found, theta = expected_gradient(gamma=1.0, baseline=baseline)
    exact = slope(lambda at: expected_return(at, 1.0), theta)
    assert np.linalg.norm(exact) > 0.1
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6)


@pytest.mark.parametrize("baseline", ["mean", "normalised"])
def test_a_baseline_from_the_same_episode_bends_the_gradient(baseline: str) -> None:
    found, theta = expected_gradient(gamma=1.0, baseline=baseline)
    assert cosine(found, slope(lambda at: expected_return(at, 1.0), theta)) < 0.9


def test_the_mean_of_a_single_episode_can_point_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each step costs, it is the last step of an episode that looks best to it, and the first one worst."""
    monkeypatch.setitem(globals(), "R", np.array([[-3.5, -0.3], [-1.9, -1.1]]))
    found, theta = expected_gradient(gamma=1.0, baseline="mean")
    assert cosine(found, slope(lambda at: expected_return(at, 1.0), theta)) < -0.99


def test_a_mean_over_each_episodes_steps_bends_the_gradient() -> None:
    """Which is why ours is a sum."""
    found, theta = expected_gradient(gamma=1.0, baseline="none", over_steps=True)
    assert cosine(found, slope(lambda at: expected_return(at, 1.0), theta)) < 0.9


def test_leaving_out_the_power_of_gamma_bends_the_gradient() -> None:
    """And with it, here in the rewards, it is that of the discounted return: gamma^t G_t = sum_k gamma^k r_k."""
    without, theta = expected_gradient(gamma=0.5, baseline="none")
    exact = slope(lambda at: expected_return(at, 0.5), theta)
    assert cosine(without, exact) < 0.99
    whole, _ = expected_gradient(gamma=1.0, baseline="none", discounting=0.5)
    np.testing.assert_allclose(whole, exact, rtol=0, atol=1e-6)


def test_a_batch_is_the_mean_of_its_episodes() -> None:
    """Of 1, 2 and 3 steps: each counts as often as it has steps."""
    lanes = [transitions_of(path) for path in ([(0, 1)], [(0, 0), (1, 1)], [(0, 0), (0, 1), (1, 0)])]
    single = [gradient(made(gamma=0.9, baseline="none"), lane) for lane in lanes]
    whole = gradient(made(lanes=3, gamma=0.9, baseline="none"), beside(lanes))
    np.testing.assert_allclose(whole, np.mean(single, axis=0), rtol=0, atol=1e-6)


# --- returns and baselines by hand ------------------------------------------------------------------------------------

#: gamma 1/2. One that the rules end, 1 + (2 + 4 / 2) / 2 and so on; one that is cut, whose mean reward is 2: 4 follow.
ENDED = episode(np.zeros((3, 2)), np.zeros((3, 1)), [1.0, 2.0, 4.0], ended=True, rows=4)
CUT = episode(np.zeros((2, 2)), np.zeros((2, 1)), [1.0, 3.0], ended=False, rows=4)
RETURNS = np.array([3.0, 4.0, 4.0, 3.5, 5.0])  # row by row: 3, 3.5; 4, 5; 4
ROWS = ([0, 1, 2, 0, 1], [0, 0, 0, 1, 1])


def weighed(transitions: Transitions, **options: Any) -> tuple[Any, Any]:
    """Advantages and targets (T, N)."""
    agent = made(lanes=transitions.reward.shape[1], **{"gamma": 0.5, "stretch": 4, **options})
    return agent._weighed(transitions, transitions.reward, agent._phase.before(transitions))


def test_returns_by_hand_after_an_end_and_after_a_cut() -> None:
    for baseline in ("none", "mean", "normalised"):
        _, target = weighed(beside([ENDED, CUT]), baseline=baseline)
        np.testing.assert_allclose(target[ROWS], RETURNS, rtol=1e-12)


def test_baselines_by_hand() -> None:
    """Over the steps that were taken, of both episodes: 19.5 / 5 = 3.9."""
    wanted = {"none": RETURNS, "mean": RETURNS - 3.9, "normalised": (RETURNS - 3.9) / RETURNS.std()}
    for baseline, advantage in wanted.items():
        found, _ = weighed(beside([ENDED, CUT]), baseline=baseline)
        np.testing.assert_allclose(found[ROWS], advantage, rtol=2e-6)


def test_with_gamma_one_and_no_value_the_limit_is_an_end() -> None:
    _, target = weighed(CUT, gamma=1.0, baseline="none")
    np.testing.assert_array_equal(target[:2, 0], [4.0, 3.0])


def test_a_learnt_value_stands_for_what_follows_a_cut_and_for_nothing_after_an_end() -> None:
    after = np.array([0.3, -0.2])
    for ended in (False, True):
        lane = episode([[0.1, 0.2], [0.5, 0.4]], [[0], [1]], [1.0, 3.0], ended, after, rows=4)
        agent = made(gamma=0.5, stretch=4, baseline="learnt")
        V = agent._phase.model.values(nn.as_variable(np.array([[0.1, 0.2], [0.5, 0.4], after], np.float32))).data
        assert np.abs(V).min() > 0.02
        last = 3.0 + (0.0 if ended else 0.5 * V[2])
        returns = np.array([1.0 + 0.5 * last, last])
        advantage, target = agent._weighed(lane, lane.reward, agent._phase.before(lane))
        np.testing.assert_allclose(target[:2, 0], returns, rtol=1e-6)
        np.testing.assert_allclose(advantage[:2, 0], returns - V[:2], rtol=1e-5)


def test_a_perfect_episode_that_the_limit_cuts_teaches_nothing() -> None:
    """And taken for an end, the limit would make its last actions the worst: the control."""
    norms = {}
    for ended in (False, True):
        lane = episode(np.random.default_rng(0).normal(size=(40, 2)), np.zeros((40, 1)), np.ones(40), ended)
        norms[ended] = told(made(gamma=0.99, stretch=40), lane)["gradient_norm"]
    assert norms[False] < 1e-4
    assert norms[True] > 0.5


# --- one update, in NumPy ---------------------------------------------------------------------------------------------


def plain_loss(theta: Any, lanes: list[Transitions], settings: ReinforceSettings, box: bool, size: int) -> Any:
    """The loss of the whole vector, and its parts per step: of the policy, of the value and the entropy."""
    weights = theta[:size]
    policy = entropy = value = steps = 0.0
    for lane in lanes:
        k = int(lane.taken[0])
        obs, draw, reward = lane.obs[:k, 0].astype(float), lane.action[:k, 0], lane.reward[:k, 0]
        G = np.array([sum(settings.gamma**j * r for j, r in enumerate(reward[t:])) for t in range(k)])
        if box:
            log_std = weights[-1:]
            z = (draw - logits(weights[:-1], obs)) / np.exp(log_std)
            log_prob = (-0.5 * z**2 - log_std - 0.5 * np.log(2 * np.pi))[:, 0]
            spread = np.full(k, log_std[0] + 0.5 * np.log(2 * np.pi * np.e))
        else:
            x = logits(weights, obs)
            log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
            log_prob = log_p[np.arange(k), draw[:, 0].astype(int)]
            spread = -(np.exp(log_p) * log_p).sum(axis=1)
        advantage = G
        if settings.baseline == "learnt":
            advantage = G - logits(START[size:], obs)[:, 0]
            value += ((logits(theta[size:], obs)[:, 0] - G) ** 2).sum()
        policy -= (advantage * log_prob).sum()
        entropy += spread.sum()
        steps += k
    loss = (policy + settings.value_weight * value - settings.entropy * entropy) / len(lanes)
    return loss, {"policy_loss": policy / steps, "value_loss": value / steps, "entropy": entropy / steps}


START = np.zeros(0)  # the vector before the update


@pytest.mark.parametrize("longest", [0.3, 1e6])
@pytest.mark.parametrize("box", [False, True], ids=["choices", "box"])
@pytest.mark.parametrize("baseline", ["none", "learnt"])
def test_an_update_is_that_of_numpy(baseline: str, box: bool, longest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two episodes of 2 and 4 steps: figures, the norm and the vector after Adam's first step, of the clipped slope."""
    options = {"gamma": 0.8, "entropy": 0.3, "value_weight": 0.7, "learning_rate": 0.05, "max_gradient": longest}
    agent = made(2, outputs=1 if box else 2, box=box, baseline=baseline, **options)
    rng, size = np.random.default_rng(8), agent.network.size
    lanes = []
    for k in (2, HORIZON):
        draw = rng.normal(size=(k, 1)) if box else rng.integers(2, size=(k, 1))
        lanes.append(episode(rng.normal(size=(k, 2)), draw, rng.normal(size=k), ended=True, rows=HORIZON))
    start = agent._phase.theta.astype(np.float64)
    monkeypatch.setitem(globals(), "START", start)
    assert len(start) == size + (13 if baseline == "learnt" else 0)
    exact = slope(lambda theta: plain_loss(theta, lanes, agent.settings, box, size)[0], start)
    _, wanted = plain_loss(start, lanes, agent.settings, box, size)
    norm = np.linalg.norm(exact)
    clipped = exact * min(1.0, longest / norm)
    figures = told(agent, beside(lanes))
    for name in ("policy_loss", "entropy", *(["value_loss"] if baseline == "learnt" else [])):
        assert figures[name] == pytest.approx(wanted[name], rel=1e-4)
    assert ("value_loss" in figures) == ("explained_variance" in figures) == (baseline == "learnt")
    assert figures["gradient_norm"] == pytest.approx(norm, rel=1e-4)
    step = clipped / (np.abs(clipped) + 1e-5 / np.sqrt(1.0 - 0.999))  # Kingma and Ba, 2015, the end of section 2
    np.testing.assert_allclose(agent._phase.theta, start - 0.05 * step, atol=2e-5)


# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 64, 500, 1000, 10**6, 10**11])
def test_rows_hold_all_steps_and_come_in_few_numbers(most: int) -> None:
    steps = np.unique(np.geomspace(1, most, 200).astype(np.int64)).tolist()
    rows = [episodes.rows_of(count, most) for count in (*steps, most)]
    assert all(count <= held for count, held in zip((*steps, most), rows, strict=True))
    assert len(set(rows)) <= 14
    assert rows[0] <= max(64, most // 1000)
    assert all(held < 2 * count for count, held in zip((*steps, most), rows, strict=True) if held > min(rows))


def test_rows_that_are_no_steps_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An episode of 70 steps among 128 rows and among 1,024."""
    rng, found = np.random.default_rng(0), []
    lane = episode(rng.normal(size=(70, 2)), rng.integers(2, size=(70, 1)), rng.normal(size=70), ended=True)
    for fewest in (64, 1024):
        monkeypatch.setattr(episodes, "FEWEST", fewest)
        agent = made(stretch=70, baseline="learnt", entropy=0.1)
        figures = [told(agent, lane) for _ in range(3)]
        found.append(([list(row.values()) for row in figures], agent._phase.theta))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=1e-5)


def test_without_a_learnt_baseline_there_is_no_value() -> None:
    for baseline in reinforce.BASELINES:
        agent = made(baseline=baseline)
        assert (agent._phase.theta.size == agent.network.size) == (baseline != "learnt")


# --- runs -------------------------------------------------------------------------------------------------------------


def trained(folder: Path, name: str = "one", **options: Any) -> Any:
    from cartwheel.reports import page

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "write_report", lambda run, environment: page.Report(run.report_path, None))
        return cartwheel.train("CartPole-v1", algorithm="reinforce", name=name, runs=folder, hooks=[], **options)


def test_a_generation_is_a_batch_of_episodes_that_last_a_stretch_at_most(tmp_path: Path) -> None:
    run = trained(tmp_path, generations=6, lanes=3, stretch=12, interval=1, early_stop=False)
    rows = run.metrics
    assert rows["steps"][-1] == round(3 * rows["length_mean"].sum())
    assert rows["length_mean"].max() <= 12.0
    assert (rows["return_best"] == 12.0).any()


def test_both_paths_give_the_same(tmp_path: Path) -> None:
    options = {"generations": 8, "lanes": 2, "stretch": 60, "hidden": (6,), "interval": 50, "early_stop": False}
    one, other = (trained(tmp_path, f"native-{native}", native=native, **options) for native in (True, False))
    assert one.result["path"] != other.result["path"]
    assert one.policy.theta.tobytes() == other.policy.theta.tobytes()


def test_a_pole_is_learnt_to_be_kept_up(tmp_path: Path) -> None:
    """400 episodes of the tutorial's 1,000."""
    run = trained(tmp_path, preset="tutorial", generations=400, seed=1000)
    assert run.result["generations"] == 400
    assert run.result["final_mean"] >= 300.0


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.003, 0.01])
def test_the_tutorial_stands_at_the_end(rate: float, tmp_path: Path) -> None:
    """1,000 episodes of at most 500 steps, an update each; the final greedy policy on at least 7 of 10 seeds."""
    finals = [
        trained(tmp_path, f"seed-{seed}", preset="tutorial", learning_rate=rate, seed=seed).result
        for seed in range(1000, 1010)
    ]
    assert sum(result["final_mean"] >= 475.0 for result in finals) >= 7
    assert all(result["generations"] == 1000 for result in finals)


def test_a_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="take ppo with --memory gru"):
        ENTRY.specify(TrainSettings(memory="gru"), resolve(ReinforceSettings, {}))
