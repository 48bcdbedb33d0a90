"""The examples of policy gradients: each runs in a short form, and comes to the answers that are known of it."""

from __future__ import annotations

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cartwheel.nn.capture.program import Program

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name: str) -> Any:
    """An example as a module."""
    spec = spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


hand, reinforce = load("policy_gradient_by_hand"), load("reinforce")


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- both -------------------------------------------------------------------------------------------------------------

#: Each program with options that make it short, what it saves, and a line that it must print.
RUNS: dict[str, tuple[Any, list[str], set[str], str]] = {
    "by hand": (
        hand,
        ["--episodes", "20"],
        {"policy_gradient_by_hand.png"},
        r"^episode   20   reward  +\d+   mean so far  +[\d.]+   best so far  +\d+$",
    ),
    "reinforce": (
        reinforce,
        ["--episodes", "50"],
        {"reinforce.png"},
        r"^greedy   mean  +[\d.]+ of 10 test episodes:(?: \d+){10}$",
    ),
    "the tutorial's": (
        reinforce,
        ["--episodes", "2", "--raw", "--lr", "0.01", "--recorded", "--draw"],
        {"reinforce.png", "reinforce.webp"},
        r"^sampled  mean  +[\d.]+ of 10 test episodes:(?: \d+){10}$",
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_it_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    program, words, files, line = RUNS[name]
    program.main(words)
    assert re.search(line, capsys.readouterr().out, re.MULTILINE)
    assert {path.name for path in tmp_path.iterdir()} == files
    assert all(path.stat().st_size > 3000 for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("program", "words"), [(hand, ["--episodes", "1"]), (reinforce, ["--episodes", "1"])], ids=["by hand", "reinforce"]
)
def test_without_matplotlib_there_is_only_no_picture(
    program: Any,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    program.main(words)
    assert "there is no picture" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_help_names_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    for program, flags in ((hand, ["--seed", "--episodes"]), (reinforce, ["--lr", "--raw", "--recorded", "--draw"])):
        with pytest.raises(SystemExit):
            program.main(["--help"])
        told = capsys.readouterr().out
        assert all(one in told for one in flags)


def by_definition(rewards: Any, after: float) -> list[float]:
    """sum_k 0.99^k r[t + k], and `after` behind the last."""
    longer = [*rewards, after]
    return [sum(0.99**k * r for k, r in enumerate(longer[t:])) for t in range(len(rewards))]


@pytest.mark.parametrize("cut", [False, True])
def test_returns_are_those_of_the_definition(cut: bool) -> None:
    rewards = np.array([1.0, -2.0, 0.5, 4.0])
    G = np.array(by_definition(rewards, 87.5 if cut else 0.0))  # the mean reward, 0.875, a hundredfold
    np.testing.assert_allclose(reinforce.returns(rewards, cut), G, rtol=1e-12)
    wanted = (G - G.mean()) / G.std()
    np.testing.assert_allclose(hand.by_returns(rewards, cut), wanted, rtol=1e-5)
    np.testing.assert_allclose(reinforce.normalised(G), wanted, rtol=1e-5)


def test_an_episode_without_a_fall_leaves_all_as_it_is() -> None:
    """And one that fell at the same step has the last actions below the mean: a limit is told apart from a fall."""
    rewards = np.ones(500)
    assert np.abs(hand.by_returns(rewards, True)).max() < 1e-4
    assert np.abs(reinforce.normalised(reinforce.returns(rewards, True))).max() < 1e-4
    assert hand.by_returns(rewards, False)[-1] < -3.0
    np.testing.assert_array_equal(hand.by_nothing(rewards, False), rewards)


class Cut:
    """Two steps, of which the limit is the end, or the fall."""

    def __init__(self, falls: bool) -> None:
        self.falls, self.steps = falls, 0

    def reset(self) -> Any:
        self.steps = 0
        return np.zeros(4, np.float32), {}

    def step(self, action: int) -> Any:
        self.steps += 1
        over = self.steps == 2
        return np.full(4, self.steps, np.float32), 2.0, over and self.falls, over and not self.falls, {}


@pytest.mark.parametrize("falls", [False, True])
def test_a_limit_is_no_fall(falls: bool) -> None:
    for obs, action, rewards, cut in (
        hand.play(Cut(falls), hand.first_weights(rng(0)), rng(0)),
        reinforce.play(Cut(falls), reinforce.Agent(0)),
    ):
        np.testing.assert_array_equal(obs, [[0.0] * 4, [1.0] * 4])  # what was acted on
        assert action.shape == (2,)
        assert rewards.tolist() == [2.0, 2.0]
        assert cut is not falls


# --- by hand: derivatives ---------------------------------------------------------------------------------------------


def batch(seed: int, T: int = 10, A: int = 2) -> tuple[Any, Any, Any]:
    """Chances (T, A), actions (T,) and weights (T,)."""
    draws = rng(seed)
    return hand.softmax(draws.standard_normal((T, A))), draws.integers(A, size=T), draws.standard_normal(T)


@pytest.mark.parametrize("seed", range(5))
def test_derivatives_agree(seed: int) -> None:
    distances = np.array(list(hand.check(rng(seed)).values()))
    assert distances.shape == (5, 2)
    np.testing.assert_array_equal(np.isnan(distances), [[0, 0], [0, 1], [0, 0], [0, 0], [1, 0]])
    assert np.nanmax(distances[:, 0]) < 1e-10
    assert np.nanmax(distances[:, 1]) < 1e-12


@pytest.mark.parametrize("broken", ["softmax_jacobian", "by_the_jacobian", "fused", "gradients"])
def test_a_wrong_derivative_is_noticed(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is a thousandth too large."""
    right = getattr(hand, broken)

    def larger(*given: Any) -> Any:
        found = right(*given)
        return {name: 1.001 * grad for name, grad in found.items()} if isinstance(found, dict) else 1.001 * found

    monkeypatch.setattr(hand, broken, larger)
    assert np.nanmax(list(hand.check(rng(0)).values())) > 1e-5


def test_differences_of_what_is_known() -> None:
    x = np.array([[0.3, -0.7], [1.1, 2.0]])
    np.testing.assert_allclose(hand.differences(lambda x: np.sin(x[0]), x)[:, 0], np.diag(np.cos(x[0])), atol=1e-12)
    assert hand.differences(lambda x: np.sin(x[0]), x).shape == (2, 2, 2)
    np.testing.assert_allclose(hand.differences(lambda x: (x**4).sum(), x), 4 * x**3, rtol=1e-10)


def test_the_gradient_by_the_weights_is_that_of_finite_differences() -> None:
    """With observations that leave every unit off its kink."""
    draws = rng(1)
    w, obs = hand.first_weights(draws), 3 * draws.standard_normal((6, 4))
    w["b1"] += 0.1 * draws.standard_normal(8)
    action, weight = draws.integers(2, size=6), draws.standard_normal(6)
    assert np.abs(obs @ w["W1"] + w["b1"]).min() > 0.01
    found = hand.gradients(w, obs, action, weight)

    def total(name: str, array: Any) -> Any:
        _, p = hand.forward({**w, name: array}, obs)
        return (weight * np.log(p[np.arange(6), action])).sum()

    for name, array in w.items():
        near = hand.differences(lambda x, name=name: total(name, x), array, h=1e-4)
        np.testing.assert_allclose(found[name], near, atol=1e-10)


def test_three_actions_too() -> None:
    p, action, weight = batch(0, A=3)
    J = hand.softmax_jacobian(p)
    assert J.shape == (10, 3, 3)
    np.testing.assert_allclose(J.sum(axis=1), 0.0, atol=1e-15)  # chances go on summing to 1
    np.testing.assert_allclose(hand.fused(p, action, weight), hand.by_the_jacobian(p, action, weight), atol=1e-14)


def test_the_fused_gradient_by_hand() -> None:
    """Of chances 1/4 and 3/4: the first action taken, at weight 2, gives (3/4, -3/4) * 2."""
    p = np.array([[0.25, 0.75]])
    np.testing.assert_array_equal(hand.fused(p, np.array([0]), np.array([2.0])), [[1.5, -1.5]])
    np.testing.assert_array_equal(hand.softmax_jacobian(p), [[[0.1875, -0.1875], [-0.1875, 0.1875]]])


# --- by hand: the faults ----------------------------------------------------------------------------------------------


def test_softmax_is_along_the_actions() -> None:
    logits = rng(0).standard_normal((10, 2))
    np.testing.assert_allclose(hand.softmax(logits).sum(axis=1), 1.0, rtol=1e-14)
    over_time = hand.softmax(logits.T).T
    assert np.abs(over_time.sum(axis=1) - 1.0).max() > 0.5


def test_a_flattened_batch_has_another_jacobian() -> None:
    """20 x 20; between two steps it has -p p', where nothing depends on anything."""
    p, _, _ = batch(1)
    flat = (np.diag(p.ravel()) - np.outer(p, p)).reshape(10, 2, 10, 2)
    np.testing.assert_allclose(flat[np.arange(10), :, np.arange(10)], hand.softmax_jacobian(p), atol=1e-15)
    np.testing.assert_allclose(flat[3, :, 5], -np.outer(p[3], p[5]))
    assert np.abs(flat[3, :, 5]).max() > 0.1


def test_the_jacobian_a_second_time_shrinks_the_gradient() -> None:
    p, action, weight = batch(2)
    right = hand.fused(p, action, weight)
    twice = np.einsum("ta,tab->tb", right, hand.softmax_jacobian(p))
    np.testing.assert_allclose(twice, 2 * p[:, :1] * p[:, 1:] * right, atol=1e-15)
    p, action, weight = batch(2, A=3)
    right = hand.fused(p, action, weight)
    twice = np.einsum("ta,tab->tb", right, hand.softmax_jacobian(p))
    norms = np.linalg.norm(right, axis=1) * np.linalg.norm(twice, axis=1)
    assert ((right * twice).sum(axis=1) / norms).min() < 0.99  # elsewhere


def test_activations_stay_as_they_are() -> None:
    """W2's gradient with zeros and ones in their place is another; and nothing that was given is changed."""
    draws = rng(3)
    w, obs = hand.first_weights(draws), draws.standard_normal((10, 4))
    _, action, weight = batch(3)
    given = {name: array.copy() for name, array in w.items()}
    found = hand.gradients(w, obs, action, weight)
    hidden, p = hand.forward(w, obs)
    dlogits = hand.fused(p, action, weight)
    np.testing.assert_allclose(found["W2"], hidden.T @ dlogits, rtol=1e-13)
    assert np.abs(found["W2"] - (hidden > 0).T @ dlogits).max() > 0.5
    for name, array in given.items():
        np.testing.assert_array_equal(w[name], array)


def test_without_returns_the_expected_gradient_is_0() -> None:
    """Exactly so for one step: the mean over the actions, by their chances; with returns it is not."""
    p, _, _ = batch(4, A=3)
    one = np.ones(10)
    taken = [hand.fused(p, np.full(10, a), one) for a in range(3)]
    np.testing.assert_allclose(sum(p[:, [a]] * taken[a] for a in range(3)), 0.0, atol=1e-15)
    paid = sum(p[:, [a]] * (a + 1.0) * taken[a] for a in range(3))
    assert np.abs(paid).min() > 1e-3


def test_without_returns_the_mean_gradient_is_within_its_error() -> None:
    distances = hand.standard_errors(0, 600)
    sizes = {form: float(np.sqrt(np.mean(z**2))) for form, z in distances.items()}
    assert sizes["the asker's"] < 2.0
    assert np.abs(distances["the asker's"]).max() < 4.5
    assert sizes["by returns"] > 3.5


def test_distances_from_zero_by_hand() -> None:
    """1, 2, 3 have the mean 2 and its error 1 / sqrt(3); what is always 0 is left out."""
    np.testing.assert_allclose(hand.from_zero(np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])), [2 * 3**0.5])


# --- by hand: learning ------------------------------------------------------------------------------------------------


def test_actions_are_sampled() -> None:
    """A constant 3/4 for the right one, whatever is seen: three in four of the actions, and not the same each time."""
    w = {name: np.zeros_like(array) for name, array in hand.first_weights(rng(0)).items()}
    w["b2"][1] = np.log(3.0)
    env, _, draws = hand.begin(0)
    taken = np.concatenate([hand.play(env, w, draws)[1] for _ in range(200)])
    env.close()
    assert taken.mean() == pytest.approx(0.75, abs=5 * np.sqrt(0.1875 / len(taken)))


def test_an_update_makes_what_paid_likelier(monkeypatch: pytest.MonkeyPatch) -> None:
    """One update by an episode of two steps: theta + lr grad."""
    obs, action = np.array([[0.1, 0.2, -0.3, 0.4], [1.0, -1.0, 0.5, 0.2]]), np.array([0, 1])
    monkeypatch.setattr(hand, "play", lambda *_: (obs, action, np.ones(2), False))
    w, rewards = hand.train(hand.by_returns, 0, 1, lr=0.01)
    assert rewards == [2.0]
    first = hand.first_weights(rng(0))
    before, after = (hand.forward(one, obs)[1][np.arange(2), action] for one in (first, w))
    weight = hand.by_returns(np.ones(2), False)
    assert weight[0] > 0 > weight[1]
    assert weight @ np.log(after) > weight @ np.log(before)
    for name, grad in hand.gradients(first, obs, action, weight).items():
        np.testing.assert_allclose(w[name], first[name] + 0.01 * grad, atol=1e-15)


def test_statistics_per_episode(capsys: pytest.CaptureFixture[str]) -> None:
    _, rewards = hand.train(hand.by_nothing, 0, 60)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for n, line in zip((50, 60), lines, strict=True):
        told = [float(number) for number in re.findall(r"[\d.]+", line)]
        wanted = [n, rewards[n - 1], np.mean(rewards[:n]), max(rewards[:n])]
        assert told == pytest.approx(wanted, abs=0.051)


def test_the_same_seed_gives_the_same_rewards() -> None:
    first, again, other = (hand.train(hand.by_returns, seed, 15)[1] for seed in (3, 3, 4))
    assert first == again != other


def test_the_right_form_learns_and_the_askers_does_not() -> None:
    right, asked = (hand.train(weighting, 1000, 250)[1] for weighting in hand.FORMS.values())
    assert np.mean(right[-50:]) > 100
    assert np.mean(asked[-50:]) < 50


@pytest.mark.slow
def test_by_hand_to_the_end() -> None:
    """On most seeds; 1002 is one that learns slowly."""
    last = [np.mean(hand.train(hand.by_returns, seed, 1000)[1][-100:]) for seed in range(1000, 1004)]
    assert sum(mean > 400 for mean in last) >= 3
    assert all(np.mean(hand.train(hand.by_nothing, seed, 1000)[1][-100:]) < 60 for seed in range(1000, 1004))


# --- REINFORCE in the framework ---------------------------------------------------------------------------------------


def episode(T: int = 30) -> tuple[Any, Any, Any]:
    draws = rng(5)
    return draws.standard_normal((T, 4)).astype(np.float32), draws.integers(2, size=T), np.ones(T)


def test_chances_are_those_of_the_softmax() -> None:
    """Logits of 0 and log 9: nine in ten of the actions are the second, within five standard errors of 6,000."""
    model, obs, draws = reinforce.PolicyNet(rng(0)), np.ones(4, np.float32), rng(1)
    model.theta[:] = 0.0
    model.l3.b.data = np.log(np.array([1.0, 9.0], np.float32))
    taken = [reinforce.act(model, obs, draws) for _ in range(6000)]
    assert np.mean(taken) == pytest.approx(0.9, abs=5 * 0.3 / np.sqrt(6000))
    assert {reinforce.act(model, obs, None) for _ in range(10)} == {1}


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("cut", [False, True])
def test_the_loss_is_the_weighted_cross_entropy(raw: bool, cut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = reinforce.Agent(0, raw=raw)
    obs, action, rewards = episode()
    rewards[3] = 5.0
    logits = agent.model(obs).data.astype(float)
    log_pi = logits[np.arange(30), action] - np.log(np.exp(logits).sum(axis=1))
    G = np.array(by_definition(rewards, 100 * rewards.mean() if cut and not raw else 0.0))
    weights = G if raw else (G - G.mean()) / G.std()
    losses = []
    learn = agent.learn
    monkeypatch.setattr(agent, "learn", lambda *given: losses.append(learn(*given).item()))
    theta = agent.model.theta.copy()
    agent.update(obs, action, rewards, cut)
    assert losses == pytest.approx([-(weights * log_pi).mean()], rel=1e-4, abs=1e-6)
    assert np.abs(agent.model.theta - theta).max() == pytest.approx(0.003, rel=0.01)  # Adam's first


def test_padding_changes_nothing() -> None:
    agents = [reinforce.Agent(2, recorded=recorded) for recorded in (False, True)]
    for T in (30, 12, 500):
        for agent in agents:
            agent.update(*episode(T), False)
    np.testing.assert_allclose(agents[0].model.theta, agents[1].model.theta, atol=2e-5)
    assert np.any(agents[0].model.theta != reinforce.Agent(2).model.theta)


def test_one_recording_is_enough_and_one_call_an_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    run = Program.run
    monkeypatch.setattr(Program, "run", lambda self, *given: asked.append(self) or run(self, *given))
    reinforce.train(0, 12, recorded=True)
    assert len(asked) == 12
    assert len({id(program) for program in asked}) == 1
    assert not any(row.words is None for row in asked[0].rows)  # one that NumPy would run
    reinforce.train(0, 2)
    assert len(asked) == 12  # nothing is recorded unless it is asked for


def test_an_episode_is_one_update() -> None:
    agent, totals = reinforce.train(1, 7, lr=0.01)
    assert totals.shape == (7,)
    assert agent.optimizer.step == 7
    assert agent.optimizer.alpha == 0.01
    _, again = reinforce.train(1, 7, lr=0.01)
    _, other = reinforce.train(2, 7, lr=0.01)
    assert again.tolist() == totals.tolist() != other.tolist()


def test_test_episodes_are_the_same_for_all() -> None:
    """A constant push fells the pole after 8 to 11 steps; every fifth step of each is drawn, from the first."""
    model = reinforce.PolicyNet(rng(0))
    model.theta[:] = 0.0
    model.l3.b.data = np.array([0.0, 1.0], np.float32)
    frames: list[Any] = []
    totals = reinforce.judged_returns(model, None, frames=frames)
    assert totals.shape == (10,)
    assert set(totals) <= {8.0, 9.0, 10.0, 11.0}
    assert len(set(totals)) > 1  # episodes that begin otherwise
    assert reinforce.judged_returns(model, None).tolist() == totals.tolist()
    assert len(frames) == sum(-(-total // 5) for total in totals)
    assert frames[0].shape == (400, 600, 3)
    assert np.any(frames[0] != frames[1])


def test_it_learns() -> None:
    """Seed 1002 stood for 500 steps after 156 episodes."""
    _, totals = reinforce.train(1002, 200, recorded=True)
    assert np.mean(totals[-50:]) > 150 > 5 * np.mean(totals[:20])


@pytest.mark.slow
def test_the_pole_is_held_up() -> None:
    """By the greedy policy that training ends with, on at least 7 of 10 seeds."""
    agents = [reinforce.train(seed, 1000)[0] for seed in range(1000, 1010)]
    assert sum(reinforce.judged_returns(agent.model, None, 100).mean() >= 475 for agent in agents) >= 7
