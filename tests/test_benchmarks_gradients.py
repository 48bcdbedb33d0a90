"""The benchmarks of policy gradients and of single actions: all contestants do the job that they are said to do."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks/ is no installed package

from benchmarks import act, act_peers, act_process, page, ppo, ppo_jax, ppo_jax_peer, ppo_peer, ppo_process, runner
from benchmarks.dqn_peer import Answer
from benchmarks.ppo_process import BUDGET, EVERY, REACH, Job, Process
from benchmarks.ppo_settings import A2C, BEST, PUBLISHED, PUREJAX, SAME, theirs
from benchmarks.records import BENCHMARKS, Sample
from cartwheel.errors import CartwheelError, UsageError

#: Networks so small, and so few epochs, that only the counting takes time.
SMALL = {**SAME, "hidden": (4,), "epochs": 1}


# --- settings --------------------------------------------------------------------------------------------------------


def test_the_same_settings_are_those_that_the_zoo_publishes() -> None:
    """What is not named there is stable-baselines3's default: 64-64 units, the weights of the loss's parts."""
    defaults = {"vf_coef": 0.5, "max_grad_norm": 0.5, "clip_range_vf": None, "policy_kwargs": {"net_arch": [64, 64]}}
    assert PUBLISHED["ppo"]["clip_range"] == "lin_0.2"
    assert theirs(SAME, BUDGET) == {**PUBLISHED["ppo"], **defaults, "clip_range": 0.2}
    assert PUBLISHED["a2c"] == {"n_envs": A2C["lanes"], "ent_coef": A2C["entropy"]}
    others = ("stretch", "gamma", "gae_lambda", "learning_rate", "value_weight", "max_gradient")
    assert [A2C[name] for name in others] == [5, 0.99, 1.0, 7e-4, 0.5, 0.5]


def test_settings_are_told_in_others_words() -> None:
    told = theirs({**PUREJAX, "anneal_steps": 0}, 1000)
    assert (told["batch_size"], told["clip_range_vf"], told["learning_rate"]) == (128, 0.2, 2.5e-4)
    with pytest.raises(CartwheelError, match=r"is not told shared: put it in words"):
        theirs({**SAME, "shared": True}, BUDGET)
    with pytest.raises(CartwheelError, match=r"falls over 1,000 steps, got 100,000"):
        theirs(SAME, 1000)
    with pytest.raises(CartwheelError, match=r"can't be told these settings: .*shared"):
        ppo_jax.Plan.of({**SAME, "shared": True})
    with pytest.raises(CartwheelError, match=r"can't be told these settings: .*hidden"):
        ppo_jax.Plan.of({})


def test_our_best_settings_can_be_told_to_all() -> None:
    best = ppo._within(BEST, BUDGET)
    assert ppo_jax.Plan.of(best).size % best["minibatches"] == 0
    assert theirs(best, BUDGET)["n_steps"] == best["stretch"]
    assert ppo._within(SAME, 2048)["anneal_steps"] == 2048


# --- ours ------------------------------------------------------------------------------------------------------------


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_looks_come_whenever_a_multiple_is_passed_and_off_the_clock() -> None:
    """Pieces of 1,500 steps: looks at 3,000, 4,500 and 7,500, of which the third is good enough."""
    looked: list[int] = []

    def reaches(steps: int) -> bool:
        looked.append(steps)
        burn(0.1)
        return len(looked) == 3

    begun = time.process_time()
    answer = ppo_process.in_pieces(Job(0, BUDGET, REACH), lambda: burn(0.01) or 1500.0, reaches)  # type: ignore[func-returns-value]
    assert looked == [3000, 4500, 7500]
    assert (answer.steps, answer.reached) == (7500, True)
    assert 0.05 <= answer.cpu <= time.process_time() - begun - 0.25
    assert ppo_process.in_pieces(Job(0, 4000), lambda: 1500.0, reaches).steps == 4500
    assert len(looked) == 3


@pytest.mark.parametrize(("name", "settings", "steps"), [("ppo", SMALL, 2048), ("a2c", {**A2C, "hidden": (4,)}, 2040)])
def test_our_run_takes_its_steps(name: str, settings: Mapping[str, Any], steps: int) -> None:
    answer = ppo.train(Job(0, steps, settings=settings, algorithm=name))
    assert (answer.steps, answer.reached) == (steps, False)
    made = ppo._made(Job(3, 0, settings=settings, algorithm=name))
    network = made.rollout.network
    assert (made.settings.seed, network.activation, network.hidden) == (3, "tanh", (4,))
    assert made.algorithm.settings.stretch == settings["stretch"]


def test_our_policy_is_looked_at_as_it_has_become(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, float]] = []

    def reaches(made: Any, wanted: float, steps: int) -> bool:
        seen.append((steps, wanted))
        assert made.algorithm._asked is not None  # noise is drawn on the clock
        return made.algorithm.state()["steps"] == steps == 4096

    monkeypatch.setattr(ppo, "_reaches", reaches)
    answer = ppo.train(Job(0, BUDGET, REACH, SMALL))
    assert seen == [(2048, 475.0), (4096, 475.0)]
    assert (answer.steps, answer.reached) == (4096, True)


# --- stable-baselines3's ---------------------------------------------------------------------------------------------


class PlayedModel:
    """Collects 512 steps before each update, as stable-baselines3 does; a check takes CPU time."""

    num_timesteps = updates = 0

    def train(self) -> None:
        self.updates += 1

    def learn(self, steps: int, callback: Any) -> Any:
        while self.num_timesteps < steps:
            for _ in range(64):
                self.num_timesteps += 8
                if not callback({}, {}):
                    return self
            self.train()
        return self


def test_the_peer_is_looked_at_after_its_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    model, looked = PlayedModel(), []

    def reaches(policy: Any, wanted: float, seed: int, steps: int) -> bool:
        looked.append((model.updates, wanted, seed, steps))
        burn(0.2)
        return len(looked) == 2

    monkeypatch.setattr(ppo_peer, "policy_gradient", lambda name, environment, seed, settings: model)
    monkeypatch.setattr(ppo_peer, "reaches", reaches)
    answer = ppo_peer.train(Job(5, BUDGET, REACH))
    assert looked == [(4, 475.0, 5, 2048), (8, 475.0, 5, 4096)]
    assert (answer.steps, answer.reached) == (4096, True)
    assert 0.0 <= answer.cpu < 0.1
    model.num_timesteps = 0
    assert ppo_peer.train(Job(5, 1000)).steps == 1024
    assert len(looked) == 2


# --- the PPO in JAX --------------------------------------------------------------------------------------------------


def test_cartpole_moves_as_gymnasiums() -> None:
    env: Any = gymnasium.make("CartPole-v1").unwrapped
    rng = np.random.default_rng(0)
    states = rng.uniform(-0.2, 0.2, (20, 4)).astype(np.float32)
    actions = rng.integers(0, 2, 20)
    env.reset(seed=0)
    for state, action, after in zip(states, actions, ppo_jax.cartpole(np, states, actions), strict=True):
        env.state = state.astype(np.float64)
        np.testing.assert_allclose(after, env.step(int(action))[0], rtol=1e-5, atol=1e-6)


def test_lanes_begin_anew_at_the_limits() -> None:
    """Off the track, fallen, at the time limit, and none of these."""
    state = np.array([[2.4, 1, 0, 0], [0, 0, -0.21, -1], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32)
    fresh = np.full((4, 4), 0.01, np.float32)
    (after, time_), over = ppo_jax.move(np, (state, np.array([3, 3, 499, 498])), np.ones(4, int), fresh)
    assert over.tolist() == [True, True, True, False]
    assert time_.tolist() == [0, 0, 0, 499]
    assert (after[:3] == fresh[:3]).all()
    assert (after[3] == ppo_jax.cartpole(np, state, np.ones(4, int))[3]).all()


def test_networks_begin_orthogonal() -> None:
    policy, value = ppo_jax.networks(np.random.default_rng(0), (64, 32))
    assert [W.shape for W, _ in policy] == [(4, 64), (64, 32), (32, 2)]
    for layers, last in ((policy, 1e-4), (value, 1.0)):
        for (W, b), square in zip(layers, (2.0, 2.0, last), strict=True):
            small = W @ W.T if W.shape[0] < W.shape[1] else W.T @ W
            np.testing.assert_allclose(small, square * np.eye(len(small)), atol=1e-5)
            assert not b.any()
    assert value[-1][0].shape == (32, 1)
    one, two = (np.array([[0.5], [1.0]]), np.array([0.25])), (np.array([[2.0]]), np.array([1.0]))
    wanted = 2.0 * np.tanh(0.5 * 3 + 1.0 * -1 + 0.25) + 1.0
    assert ppo_jax.forward(np, [one, two], np.array([3.0, -1.0])) == pytest.approx(wanted)


def whole(**own: Any) -> Any:
    pytest.importorskip("jax")
    return ppo_jax.Whole(ppo_jax.Plan.of({**PUREJAX, "hidden": (4,), **own}))


def test_advantages_in_jax_end_with_episodes() -> None:
    """Two steps of one lane that does not end, by hand; and one that ends after the first step."""
    program = whole(gamma=0.5, gae_lambda=0.5)
    over, value = np.array([[0, 1], [0, 0]], bool), np.array([[1, 1], [2, 2]], np.float32)
    nothing = np.zeros((2, 2), np.float32)
    stretch = ppo_jax.Stretch(nothing, nothing, over, nothing, value)
    found = program._advantages(stretch, np.array([4, 4], np.float32))
    # errors: 1 + 0.5 * 2 - 1 = 1, 1 + 0.5 * 4 - 2 = 1; where it ends, 1 - 1 = 0
    np.testing.assert_allclose(found, [[1 + 0.25, 0.0], [1.0, 1.0]])


def test_the_loss_in_jax_is_the_papers() -> None:
    """In NumPy, row by row: chances that rose beyond the clip and fell beyond it, values that moved too far."""
    program = whole(clip=0.2, clip_value=0.1, entropy=0.5, value_weight=0.25)
    rng = np.random.default_rng(0)
    both = ppo_jax.networks(rng, (4,))
    both[0][-1] = (both[0][-1][0] * 100, both[0][-1][1])
    seen, action = rng.standard_normal((6, 4)).astype(np.float32), np.array([0, 1, 1, 0, 1, 0])
    logits = ppo_jax.forward(np, both[0], seen).astype(float)
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    chance, value = logs[np.arange(6), action], ppo_jax.forward(np, both[1], seen)[:, 0].astype(float)
    old, before, advantage = (
        chance + np.array([0.5, -0.5, 0.1, 0.5, -0.5, 0]),
        value + np.array([1, -1, 0.05, 0, 0.2, 0]),
        rng.normal(size=6),
    )
    part = ppo_jax.Minibatch(*(np.asarray(x, np.float32) for x in (seen, action, old, before, advantage)))
    part = part._replace(action=action)
    norm = (advantage - advantage.mean()) / advantage.std()
    wanted = 0.0
    for k in range(6):
        ratio = np.exp(chance[k] - old[k])
        gain = min(ratio * norm[k], min(max(ratio, 0.8), 1.2) * norm[k])
        target = advantage[k] + before[k]
        near = before[k] + min(max(value[k] - before[k], -0.1), 0.1)
        error = max((value[k] - target) ** 2, (near - target) ** 2)
        wanted += (0.25 * error - gain + 0.5 * (np.exp(logs[k]) * logs[k]).sum()) / 6
    assert float(program._loss(both, part)) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_call_in_jax_does_so_many_updates(ahead: bool) -> None:
    """Counts of updates and steps; the first steps of Adam are as long as the step size, which falls."""
    program = whole(lanes=2, stretch=8, epochs=3, minibatches=2, anneal_steps=64, learning_rate=0.01, ahead=ahead)
    first = program.first(0)
    assert (np.asarray(program.advance(first, 0).theta) == np.asarray(first.theta)).all()
    state = program.advance(first, 3)
    assert (int(state.steps), int(state.updates)) == (3 * 16, 3 * 6)
    moved = np.abs(np.asarray(state.theta) - np.asarray(first.theta)).max()
    assert 0.01 < moved <= 0.01 * 6 * (1 + 0.75 + 0.5) * 1.5
    assert (np.asarray(program.advance(state, 2).theta) != np.asarray(state.theta)).any()
    ended = program.advance(first, 4)
    assert (np.asarray(program.advance(ended, 1).theta) == np.asarray(ended.theta)).all()
    assert program.greedy(state)(np.zeros((5, 4), np.float32)).shape == (5,)


class PlayedWhole:
    """A program whose state is the number of updates; the first job of each is compiled by a call without one."""

    calls: ClassVar[list[tuple[int, int]]] = []

    def __init__(self, plan: Any) -> None:
        self.plan = plan

    def first(self, seed: int) -> int:
        return 0

    def advance(self, state: int, updates: int) -> int:
        self.calls.append((state, updates))
        return state + updates

    def greedy(self, state: int) -> Any:
        return lambda seen: [state] * len(seen)


def test_a_job_in_jax_is_one_call_or_one_for_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """100,000 steps are 391 updates of 256, 2,048 are 8; the look after the second call is good enough."""

    def reaches(act: Any, wanted: float, seed: int, steps: int) -> bool:
        actions, memory = act(np.zeros((3, 4)), None)
        assert memory is None
        return (actions, wanted, seed, steps) == ([16] * 3, 475.0, 7, 4096)

    forgotten: list[int] = []
    jax = SimpleNamespace(block_until_ready=lambda state: state, clear_caches=lambda: forgotten.append(1))
    monkeypatch.setattr(ppo_jax_peer, "peer", lambda name: jax)
    monkeypatch.setattr(ppo_jax_peer, "Whole", PlayedWhole)
    monkeypatch.setattr(ppo_jax_peer, "reaches", reaches)
    PlayedWhole.calls.clear()
    ppo_jax_peer._program.cache_clear()
    assert ppo_jax_peer.train(Job(7, BUDGET, settings=SAME)).steps == 100_096
    answer = ppo_jax_peer.train(Job(7, BUDGET, REACH, SAME))
    assert (answer.steps, answer.reached) == (4096, True)
    assert PlayedWhole.calls == [(0, 0), (0, 391), (0, 8), (8, 8)]
    assert not forgotten
    ppo_jax_peer.train(Job(7, 256, settings=SAME, anew=True))
    assert PlayedWhole.calls[4:] == [(0, 0), (0, 1)]
    assert forgotten == [1]
    ppo_jax_peer._program.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [False, True])
def test_the_ppo_in_jax_learns(ahead: bool) -> None:
    pytest.importorskip("jax")
    process = Process("benchmarks.ppo_jax_peer", "jax")
    answers = [ppo.learner(process)(Job(k, BUDGET, REACH, {**SAME, "ahead": ahead})) for k in range(1000, 1003)]
    process.close()
    assert all(answer.reached for answer in answers)


# --- processes -------------------------------------------------------------------------------------------------------


def test_a_process_answers_until_it_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import json, sys\nprint('{}', flush=True)\nfor line in sys.stdin:\n"
    echo = "    print(json.dumps({'got': 1 // json.loads(line)['x']}), flush=True)\n"
    (tmp_path / "played.py").write_text(code + echo)
    monkeypatch.setattr(ppo_process, "_ROOT", tmp_path)
    process = Process("played", "json")
    assert process.ask({"x": 1}) == {"got": 1}
    with pytest.raises(CartwheelError, match="the process that ran json died"):
        process.ask({"x": 0})
    process.close()


def test_what_is_served_is_a_line_for_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", iter(['{"x": 2}\n', '{"x": 3}\n']))
    ppo_process.serve(lambda question: {"y": question["x"] ** 2})
    assert capsys.readouterr().out.splitlines() == ['{"ready": true}', '{"y": 4}', '{"y": 9}']


def test_a_python_without_the_peer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no_such_package is not installed: make bench installs it"):
        Process("played", "no_such_package")
    monkeypatch.setenv(ppo.INTERPRETER, "false")
    with pytest.raises(UsageError, match=r"stable_baselines3 is not installed: name a Python that has it.*CARTWHEEL"):
        ppo.stable_baselines()


# --- the benchmarks --------------------------------------------------------------------------------------------------


def played(job: Job) -> Answer:
    """Ten seconds and the seed; an even seed does it."""
    assert json.loads(json.dumps(asdict(job)))["steps"] == job.steps
    return Answer(10.0 + job.seed, 20.0, job.steps, job.reach is not None and job.seed % 2 == 0)


def compared(name: str, samples: Any) -> str:
    """The section of a benchmark, in which each comparison has what it compares."""
    return page.section(BENCHMARKS[name], samples, {})


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppo, "_rivals", lambda: (played, played))
    monkeypatch.setattr(ppo, "stable_baselines", lambda: None)
    monkeypatch.setattr(ppo, "learner", lambda process: played)
    monkeypatch.setattr(ppo, "_process", lambda command, folder, cache: Sample(1.0, 1.0))


def test_a_glance_at_ppo(peers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppo, "SAME", SMALL)
    monkeypatch.setattr(ppo, "PUREJAX", {**PUREJAX, "hidden": (4,), "epochs": 1})
    samples = runner.run(BENCHMARKS["ppo"], turns=1, quick=True)
    assert {turns[0].work for turns in samples.values()} == {EVERY}
    assert "JAX, PureJaxRL's settings" in samples
    assert "stable-baselines3, PureJaxRL's settings" not in samples
    text = compared("ppo", samples)
    for wanted in ("stable-baselines3 +.* at least 7: ", "JAX +.* at least 1: ", "JAX +.* at least 1.5: "):
        assert len(re.findall(f"settings / {wanted}", text)) == 1


def test_a_glance_at_a2c(peers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update for each 40 steps: the first multiple of them beyond what was asked for."""
    monkeypatch.setattr(ppo, "A2C", {**A2C, "hidden": (4,)})
    samples = runner.run(BENCHMARKS["a2c"], turns=1, quick=True)
    assert {name: turns[0].work for name, turns in samples.items()} == {"Cartwheel": 2080, "stable-baselines3": EVERY}
    assert " at least 15: " in compared("a2c", samples)


def test_a_glance_at_the_time_to_475(peers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not reached took for ever; each turn has a seed of its own, the same for all."""
    jobs: list[Job] = []
    monkeypatch.setattr(ppo, "train", lambda job: jobs.append(job) or played(job))  # type: ignore[func-returns-value]
    samples = runner.run(BENCHMARKS["ppo-475"], turns=3, quick=True)
    assert len(samples) == 8
    assert all([turn.cpu for turn in turns] == [10.0, np.inf, 12.0] for turns in samples.values())
    assert [(job.seed, job.reach) for job in jobs[2:]] == [(seed, 475.0) for seed in (0, 0, 1, 1, 2, 2)]
    assert jobs[2].settings == {**SAME, "anneal_steps": EVERY}
    text = re.sub(" +", " ", compared("ppo-475", samples))
    assert (
        "| Cartwheel, Cartwheel's best settings: seconds | CPU seconds | 12 | 10 | inf | at most 0.2: missed |" in text
    )


# --- single actions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "package"), [("numpy", "numpy"), ("torch", "torch"), ("jax", "jax"), ("onnx", "onnx")]
)
def test_all_choose_as_our_policy_does(peer: str, package: str) -> None:
    pytest.importorskip(package)
    policy, seen = act.policy(), act.observations(200)
    wanted = [int(policy.act(one)[0]) for one in seen]
    assert 50 < sum(wanted) < 150
    rival = getattr(act_peers, peer)(act.layers(policy))
    assert [rival(one) for one in seen] == wanted


def test_other_actions_are_no_comparison() -> None:
    act.check("JAX", [0, 1, 1], [0, 1, 1])
    with pytest.raises(CartwheelError, match=r"JAX chose 2 of 3 actions otherwise: not the same network"):
        act.check("JAX", [1, 1, 0], [0, 1, 1])


def test_an_action_is_timed_in_microseconds() -> None:
    calls: list[float] = []
    sample = act_process.many(lambda one: calls.append(one) or burn(0.01), [1.0, 2.0], 3)  # type: ignore[func-returns-value]
    assert calls == [1.0, 2.0] * 3
    assert 10_000 <= sample.work < 15_000
    assert sample.cpu == pytest.approx(6e-6 * sample.work)


class PlayedProcess:
    """Chooses as our policy does, in so many microseconds."""

    def __init__(self, module: str, package: str = "") -> None:
        self.policy = act.policy()

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        chosen = [int(self.policy.act(np.float32(one))[0]) for one in question["observations"]]
        return {"chosen": chosen, "turn": {"cpu": 1.0, "wall": 2.0, "work": 30.0}}


def test_a_glance_at_single_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(act, "Process", PlayedProcess)
    monkeypatch.setattr(act, "stable_baselines", PlayedProcess)
    monkeypatch.setattr(act, "_PEERS", dict.fromkeys(act._PEERS, act_peers.numpy))
    samples = runner.run(BENCHMARKS["act"], turns=1, quick=True)
    assert samples["JAX jit"][0].work == 30.0
    text = re.sub(" +", " ", compared("act", samples))
    assert "| JAX jit: microseconds | work | 30 | 30 | 30 | |" in text
    assert re.search(r"Cartwheel: microseconds \| work \| .* at most 3: ", text)


def test_a_process_says_what_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(act_process._MAKERS, "jax", lambda: lambda one: int(one[0] > 0))
    answer = act_process.answer({"who": "jax", "observations": [[1, 0], [-1, 0]], "times": 2})
    assert answer["chosen"] == [1, 0]
    assert set(answer["turn"]) == {"cpu", "wall", "work"}
